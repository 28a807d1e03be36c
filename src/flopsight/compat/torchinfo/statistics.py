"""torchinfo's `ModelStatistics`: the totals, and the printed table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flopsight.compat.torchinfo.layers import LayerInfo, own_params
from flopsight.compat.torchinfo.settings import (
    CONVERSION_FACTORS,
    HEADER_TITLES,
    ColumnSettings,
    RowSettings,
    Units,
    Verbosity,
)

_INDENT = 5
_GRADIENT_TOO = 2
"""torchinfo takes each result of a layer with parameters to be held twice, for forward and backward."""


@dataclass
class FormattingOptions:
    """How the table is written."""

    max_depth: int
    verbose: int
    col_names: tuple[ColumnSettings, ...]
    col_width: int
    row_settings: set[RowSettings]
    params_units: Units = Units.NONE
    macs_units: Units = Units.AUTO
    layer_name_width: int = field(default=40, init=False)

    def get_total_width(self) -> int:
        """The width of the table's rules."""
        return len(self.col_names) * self.col_width + self.layer_name_width

    def fit(self, rows: Sequence[LayerInfo]) -> None:
        """Widen the column of names, in steps of the indentation, to the longest of them."""
        longest = max((len(self.title(row)) + row.depth * _INDENT + 1 for row in rows), default=0)
        if longest >= self.layer_name_width:
            self.layer_name_width = math.ceil(longest / _INDENT) * _INDENT

    def title(self, row: LayerInfo) -> str:
        """The name of a row without the tree's lines."""
        name = f" ({row.var_name})" if RowSettings.VAR_NAMES in self.row_settings and row.var_name else ""
        if RowSettings.DEPTH not in self.row_settings or not row.depth:
            return f"{row.class_name}{name}"
        return f"{row.class_name}{name}: {row.depth}-{row.depth_index}"

    def branch(self, depth: int) -> str:
        """The tree's lines before a name."""
        bar, first, last = (
            ("|    ", "+ ", "+ ") if RowSettings.ASCII_ONLY in self.row_settings else ("│    ", "├─", "└─")
        )
        return "" if depth == 0 else first if depth == 1 else bar * (depth - 1) + last

    def line(self, title: str, cells: Mapping[ColumnSettings, str]) -> str:
        """A line of the table."""
        columns = [f"{cells.get(column, ''):<{self.col_width}} " for column in self.col_names]
        return f"{title:<{self.layer_name_width}} {''.join(columns)}".rstrip()

    def header(self) -> str:
        """The line of the columns' titles."""
        name = " (var_name)" if RowSettings.VAR_NAMES in self.row_settings else ""
        depth = ":depth-idx" if RowSettings.DEPTH in self.row_settings else ""
        return self.line(f"Layer (type{name}{depth})", HEADER_TITLES)

    def body(self, rows: Sequence[LayerInfo], total_params: int) -> list[str]:
        """The lines of the rows that are shown."""
        lines = []
        reached = [row for row in rows if row.depth <= self.max_depth]
        own = own_params(reached)
        for row in reached:
            if row.is_recursive and RowSettings.HIDE_RECURSIVE_LAYERS in self.row_settings:
                continue
            cells = _cells(row, row.depth == self.max_depth, own.get(row, 0), total_params)
            lines.append(self.line(self.branch(row.depth) + self.title(row), cells))
            if self.verbose == Verbosity.VERBOSE:
                lines += self.line_per_parameter(row)
        return lines

    def line_per_parameter(self, row: LayerInfo) -> list[str]:
        """Shape and size of each parameter; of the model as a whole, of its own ones only."""
        shown = [(n, p, count) for n, p, count in row.held if row.depth or "." not in n]
        lines = []
        for index, (name, parameter, count) in enumerate(shown, 1):
            sizes = list(parameter.shape)
            if name == "weight" and len(sizes) > 1:
                sizes[:2] = sizes[1], sizes[0]
            tree = "└─" if index == len(shown) else "├─"
            cells = {ColumnSettings.KERNEL_SIZE: str(sizes), ColumnSettings.NUM_PARAMS: f"{tree}{count:,}"}
            lines.append(self.line(self.branch(row.depth + 1) + name, cells))
        return lines


def _cells(row: LayerInfo, reached_max_depth: bool, own: int, total_params: int) -> dict[ColumnSettings, str]:
    return {
        ColumnSettings.KERNEL_SIZE: str(row.kernel_size or "--"),
        ColumnSettings.GROUPS: str(row.groups or "--"),
        ColumnSettings.INPUT_SIZE: str(row.input_size or "--"),
        ColumnSettings.OUTPUT_SIZE: str(row.output_size or "--"),
        ColumnSettings.NUM_PARAMS: row.num_params_to_str(reached_max_depth, own),
        ColumnSettings.PARAMS_PERCENT: _percent(row, own, total_params),
        ColumnSettings.MULT_ADDS: row.macs_to_str(reached_max_depth),
        ColumnSettings.TRAINABLE: row.trainable,
    }


def _percent(row: LayerInfo, own: int, total_params: int) -> str:
    if total_params and row.is_recursive:
        return "(recursive)"
    return f"{own / total_params:>7.2%}" if own else "     --"


class ModelStatistics:
    """What `summary` returns; its text is the table.

    total_mult_adds: of all operators that ran, under the convention `torchinfo`. total_params, trainable_params,
    total_param_bytes: of the model's parameters, each once. total_output_bytes: of results of layers with parameters.
    """

    def __init__(
        self,
        summary_list: list[LayerInfo],
        input_size: Any,
        total_input_size: int,
        formatting: FormattingOptions,
        total_mult_adds: int = 0,
    ) -> None:
        self.summary_list = summary_list
        self.input_size = input_size
        self.total_input = total_input_size
        self.formatting = formatting
        self.total_mult_adds = total_mult_adds
        model = summary_list[0]
        self.total_params, self.trainable_params = model.num_params, model.trainable_params
        self.total_param_bytes = model.param_bytes
        held = [row.output_bytes for row in summary_list if row.is_leaf_layer and row.num_params]
        self.total_output_bytes = _GRADIENT_TOO * sum(held)
        formatting.fit(summary_list)

    def __repr__(self) -> str:
        options = self.formatting
        rule = "=" * options.get_total_width()
        counts = {
            "Total params": self.total_params,
            "Trainable params": self.trainable_params,
            "Non-trainable params": self.total_params - self.trainable_params,
        }
        lines = [rule, options.header(), rule, *options.body(self.summary_list, self.total_params), rule]
        lines += [name + self.format_output_num(count, options.params_units) for name, count in counts.items()]
        if self.input_size:
            lines += [f"Total mult-adds{self.format_output_num(self.total_mult_adds, options.macs_units)}", rule]
            lines += self._sizes()
        return "\n".join([*lines, rule])

    def _sizes(self) -> list[str]:
        sizes = {
            "Input size": self.total_input,
            "Forward/backward pass size": self.total_output_bytes,
            "Params size": self.total_param_bytes,
            "Estimated Total Size": self.total_input + self.total_output_bytes + self.total_param_bytes,
        }
        return [f"{name} (MB): {self.to_megabytes(count):0.2f}" for name, count in sizes.items()]

    @staticmethod
    def float_to_megabytes(num: int) -> float:
        """Megabytes of so many float32 numbers."""
        return num * 4 / 1e6

    @staticmethod
    def to_megabytes(num: int) -> float:
        """Megabytes of so many bytes."""
        return num / 1e6

    @staticmethod
    def to_readable(num: int, units: Units = Units.AUTO) -> tuple[Units, float]:
        """A count in a unit; without one, in millions or above."""
        if units == Units.AUTO:
            large = (Units.TERABYTES, Units.GIGABYTES)
            units = next((unit for unit in large if num >= CONVERSION_FACTORS[unit]), Units.MEGABYTES)
        return units, num / CONVERSION_FACTORS[units]

    @staticmethod
    def format_output_num(num: int, units: Units) -> str:
        """`" (G): 4.09"`, and an integer without a fraction."""
        used, converted = ModelStatistics.to_readable(num, units)
        unit = f" ({used.value})" if used.value else ""
        return f"{unit}: {int(converted):,d}" if converted.is_integer() else f"{unit}: {converted:,.2f}"
