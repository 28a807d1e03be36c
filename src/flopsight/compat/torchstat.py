"""torchstat 0.0.7: a table of the layers; `python -m flopsight.compat.torchstat -f FILE -m NAME -s 3x224x224`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from torch import nn

import flopsight
from flopsight.compat._duration import durations
from flopsight.compat._frame import frame
from flopsight.compat._layers import layers, sizes
from flopsight.compat._load import command, load_class
from flopsight.compat._run import measure, require
from flopsight.compat._stat_tree import Stat, collect

__all__ = ["ModelStat", "stat"]

_HEADERS = (
    "module name", "input shape", "output shape", " params", "memory(MB)", "MAdd", "Flops", " MemRead(B)",
    " MemWrite(B)", "duration[%]", " MemR+W(B)",
)  # fmt: skip
"""pandas sets the name of a column of numbers off by a space; the other columns are texts."""

_MEGABYTE = 1024**2
_NEVER_ZERO = 1e-7  # keeps the share of a run that took no time a number
_IMAGE_DIMENSIONS = 3


class ModelStat:
    """What `stat` prints, made when it is asked for."""

    def __init__(self, model: nn.Module, input_size: Sequence[int], query_granularity: int = 1) -> None:
        require(isinstance(model, nn.Module), f"The model is {model!r}; give a torch.nn.Module.")
        fits = isinstance(input_size, (tuple, list)) and len(input_size) == _IMAGE_DIMENSIONS
        require(fits, f"input_size is {input_size!r}; give (channels, height, width), without the batch.")
        self._model = model
        self._sizes = tuple(input_size)
        self._granularity = query_granularity

    def _analyze_model(self) -> list[Stat]:
        given = [flopsight.spec(1, *self._sizes, dtype="float32")]
        record = measure(self._model, given)
        seconds = durations(self._model, given)
        leaves = [
            Stat(
                name=layer.path,
                input_shape=sizes(layer.inputs),
                output_shape=sizes(layer.outputs),
                params=layer.params,
                memory=sum(spec.nbytes for spec in layer.outputs) / _MEGABYTE,
                madd=layer.tally.total("torchstat_madd"),
                flops=layer.tally.total("torchstat"),
                read=layer.tally.total("torchstat_read"),
                written=layer.tally.total("torchstat_write"),
                duration=seconds.get(layer.path, 0.0),
            )
            for layer in layers(record, "torchstat", "torchstat_madd")
        ]
        shapes = {path: Stat(path, sizes(node.inputs), sizes(node.outputs)) for path, node in record.modules.items()}
        return collect(leaves, shapes, self._granularity)

    def show_report(self) -> None:
        """Print the table and the totals."""
        print(report_format(self._analyze_model()))


def stat(model: nn.Module, input_size: Sequence[int], query_granularity: int = 1) -> None:
    """Print parameters, memory, operations, bytes and share of time of each layer for one input of that size.

    query_granularity: 1 for every layer, more to sum up layers that lie together. The times are those of one real run.
    """
    ModelStat(model, input_size, query_granularity).show_report()


def report_format(stats: Sequence[Stat]) -> str:
    """The table and the totals as text."""
    total = sum(stats, Stat(""))
    seconds = total.duration + _NEVER_ZERO
    index = [*map(str, range(len(stats))), "total"]
    table = frame([_cells(row, seconds) for row in (*stats, total)], _HEADERS, index)
    width = len(table.partition("\n")[0])
    return (
        f"{table}\n{'=' * width}\nTotal params: {total.params:,}\n{'-' * width}\n"
        f"Total memory: {total.memory:.2f}MB\n"
        f"Total MAdd: {round_value(total.madd)}MAdd\n"
        f"Total Flops: {round_value(total.flops)}Flops\n"
        f"Total MemR+W: {round_value(total.read + total.written, binary=True)}B\n"
    )


def _cells(row: Stat, seconds: float) -> list[str]:
    shapes = [" ".join(f"{size:>3d}" for size in shape) for shape in (row.input_shape, row.output_shape)]
    return [
        row.name, *shapes, f"{row.params:.1f}", f"{row.memory:.2f}", f"{row.madd:,.1f}", f"{row.flops:,.1f}",
        f"{row.read:.1f}", f"{row.written:.1f}", f"{row.duration / seconds:.2%}", f"{row.read + row.written:.1f}",
    ]  # fmt: skip


def round_value(value: float, binary: bool = False) -> str:
    """A number with its unit: `round_value(1429567512)` is `"1.43G"`."""
    divisor = 1024.0 if binary else 1000.0
    for power, unit in ((4, "T"), (3, "G"), (2, "M"), (1, "K")):
        if value // divisor**power > 0:
            return f"{round(value / divisor**power, 2)}{unit}"
    return str(value)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser("torchstat", description="Torch model statistics")
    parser.add_argument("--file", "-f", required=True, help="Module file.")
    parser.add_argument("--model", "-m", required=True, help="Model name")
    parser.add_argument("--size", "-s", default="3x224x224", help="channels x height x width (default: 3x224x224)")
    args = parser.parse_args(argv)
    stat(load_class(args.file, args.model), tuple(map(int, args.size.split("x"))))


if __name__ == "__main__":
    sys.exit(command("torchstat", main))
