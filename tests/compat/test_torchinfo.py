from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from compat.originals import MODELS, build
from compat.small import Block
from torch import nn

from flopsight.compat.torchinfo import ColumnSettings, ModelStatistics, summary

TOTALS = ("total_mult_adds", "total_params", "trainable_params", "total_param_bytes", "total_output_bytes")
COLUMNS = ("input_size", "output_size", "num_params", "params_percent", "kernel_size", "mult_adds", "trainable")
FLOAT_BYTES = 4


def quiet(model: nn.Module, *arguments: Any, **named: Any) -> ModelStatistics:
    return summary(model, *arguments, verbose=0, **named)


def theirs(model: nn.Module, *arguments: Any, **named: Any) -> Any:
    """The original's, and its text with the units' letters: their names come out from Python 3.11 on."""
    original = pytest.importorskip("torchinfo")
    result = original.summary(model, *arguments, **{"verbose": 0, **named})
    letters = {"Units.MEGABYTES": "M", "Units.GIGABYTES": "G", "Units.TERABYTES": "T"}
    return result, re.sub("|".join(letters), lambda found: letters[found[0]], str(result))


def totals(result: Any) -> dict[str, int]:
    return {name: getattr(result, name) for name in TOTALS}


@pytest.mark.parametrize("name", MODELS)
def test_totals_and_table_are_the_originals(name: str, torchvision: None) -> None:
    model = build(name, real=True)
    for settings in ({"depth": 9}, {"depth": 2, "row_settings": ("ascii_only", "var_names")}):
        original, text = theirs(model, (2, 3, 64, 64), col_names=COLUMNS, **settings)
        ours = quiet(model, (2, 3, 64, 64), col_names=COLUMNS, **settings)
        assert totals(ours) == totals(original)
        assert str(ours) == text


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.other.weight = self.one.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one(x) + self.other(x)


class Free(nn.Module):
    """A parameter of the module's own, beside a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.linear = nn.Parameter(torch.ones(5)), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


DIFFERENCES = {
    "takes the first size of a linear layer's input for all of its rows": (
        nn.Linear(4, 6), (2, 3, 4), "total_mult_adds", 2 * (4 * 6 + 6), 2 * 3 * (4 * 6 + 6),
    ),
    "counts a transposed convolution at its output's positions, not its input's": (
        nn.ConvTranspose2d(2, 3, 2, stride=2, bias=False), (1, 2, 4, 4), "total_mult_adds",
        2 * 3 * 2 * 2 * 8 * 8, 2 * 3 * 2 * 2 * 4 * 4,
    ),
    "sees no operator but those of layers": (
        Block(4), (2, 4), "total_mult_adds", 2 * (4 * 4 + 4), 2 * (4 * 4 + 4) + 2 * 4 * 4,
    ),
    "counts the attention of a MultiheadAttention as 0": (
        nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (1, 3, 4), "total_mult_adds",
        (4 * 8 + 8) + (8 * 4 + 4) + 2 * 2 * 4,
        3 * ((4 * 8 + 8) + (8 * 4 + 4) + 4 * (4 * 4 + 4)) + 2 * 3 * 3 * 4 + 2 * 2 * 4,
    ),
    "leaves out bytes of parameters that no layer without children holds": (
        Free(), (1, 4), "total_param_bytes", FLOAT_BYTES * (4 * 4 + 4), FLOAT_BYTES * (4 * 4 + 4 + 5),
    ),
    "counts a weight once for each layer that holds it": (Tied(), (1, 4), "total_params", 2 * 4 * 4, 4 * 4),
}  # fmt: skip
"""Why the original is wrong: a model, its input, the figure, the original's, ours."""


@pytest.mark.parametrize("reason", DIFFERENCES)
def test_where_the_original_is_wrong(reason: str) -> None:
    model, size, figure, original, ours = DIFFERENCES[reason]
    assert getattr(quiet(model, size), figure) == ours
    assert getattr(theirs(model, size)[0], figure) == original


def test_a_vision_transformer_differs_for_these_reasons_only(torchvision: None) -> None:
    from torchvision.models import VisionTransformer

    layers, width, side, patch = 2, 32, 32, 8
    model = VisionTransformer(side, patch, layers, 4, width, 4 * width)
    tokens = (side // patch) ** 2 + 1
    projections = 4 * (width * width + width)
    mlp = 2 * 4 * width * width + 5 * width
    attention = layers * 2 * tokens * tokens * width
    original, _ = theirs(model, (1, 3, side, side))
    ours = quiet(model, (1, 3, side, side))
    left_out = layers * (tokens * projections + (tokens - 1) * mlp) + attention
    assert ours.total_mult_adds == original.total_mult_adds + left_out
    free = width + tokens * width + layers * projections
    assert ours.total_param_bytes == original.total_param_bytes + FLOAT_BYTES * free
    assert ours.total_output_bytes == original.total_output_bytes
    assert ours.total_params == original.total_params


class Nested(nn.Module):
    """A list that is never called, a layer called several times, and one that is not called."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(4, 6), nn.Sequential(nn.Linear(6, 4))])
        self.act, self.idle = nn.PReLU(), nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return self.act(self.act(x))


class Shared(nn.Module):
    """Calls a layer as its own, then as another module's."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.PReLU()
        self.block = nn.Sequential(self.act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(self.act(x))


class Interleaved(Nested):
    """Comes back to the list after another layer; the original then shows the list's row as recursive both times."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = self.act(block(x))
        return x


@pytest.mark.parametrize(
    "settings",
    [
        {"verbose": 2},
        {"row_settings": ("var_names", "depth", "hide_recursive_layers")},
        {"row_settings": ()},
        {"depth": 2, "col_width": 12},
        {"mode": "train"},
    ],
)
def test_rows_of_containers_and_repeated_layers_are_the_originals(
    settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"verbose": 0, "col_names": COLUMNS, **settings}
    original, text = theirs(Nested(), (3, 4), **settings)
    capsys.readouterr()
    ours = summary(Nested(), (3, 4), **settings)
    assert str(ours) == text
    assert [row.class_name for row in ours.summary_list] == [row.class_name for row in original.summary_list]
    printed = capsys.readouterr().out
    assert printed == (f"{text}\n" if settings["verbose"] else "")


def column(text: str, title: str) -> int:
    """The sum of a column of a table."""
    header = next(line for line in text.splitlines() if title in line)
    rows = text.split(header)[1].split("\n=")[1].splitlines()[1:]
    found = [re.match(r"[\d,]+", row[header.index(title) :].strip("()")) for row in rows]
    return sum(int(cell[0].replace(",", "")) for cell in found if cell)


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize(
    "model", [Nested(), Shared(), Interleaved(), Tied(), Free(), Block(4), nn.MultiheadAttention(4, 2)]
)
def test_rows_add_up_to_the_totals(model: nn.Module, depth: int) -> None:
    inputs = 3 * [torch.zeros(3, 4)] if isinstance(model, nn.MultiheadAttention) else [torch.zeros(3, 4)]
    result = quiet(model, input_data=inputs, depth=depth, col_names=("num_params", "mult_adds"))
    assert column(str(result), "Param #") == result.total_params
    assert column(str(result), "Mult-Adds") == result.total_mult_adds > 0


def test_a_shared_layer_is_shown_where_it_was_called() -> None:
    rows = quiet(Shared(), (3, 4)).summary_list
    assert [(row.path, row.depth, row.is_recursive) for row in rows[1:]] == [
        ("act", 1, False),
        ("block", 1, False),
        ("block.0", 2, True),
    ]


def test_long_names_widen_the_column_as_in_the_original() -> None:
    model = type("A" * 43, (nn.Linear,), {})(2, 2)
    assert str(quiet(model, (1, 2))) == theirs(model, (1, 2))[1]


def test_without_input_the_table_shows_the_construction() -> None:
    original, text = theirs(Nested())
    ours = quiet(Nested())
    assert str(ours) == text
    assert totals(ours) == totals(original)
    assert ours.total_mult_adds == 0
    assert "Total mult-adds" not in str(ours)


def test_frozen_parameters_are_shown_as_such() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).requires_grad_(False)
    model[0].bias.requires_grad_(True)
    _, text = theirs(model, (1, 2), col_names=("num_params", "trainable"))
    result = quiet(model, (1, 2), col_names=("num_params", "trainable"))
    assert str(result) == text
    assert [row.trainable for row in result.summary_list] == ["Partial", "Partial", "False"]


def test_columns_are_named_as_the_originals() -> None:
    original = pytest.importorskip("torchinfo")
    assert {column.value for column in original.ColumnSettings} | {"groups"} == {c.value for c in ColumnSettings}
