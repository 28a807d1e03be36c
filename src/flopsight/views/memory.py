"""Memory over a run, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flopsight import units
from flopsight.analysis.memory import Memory
from flopsight.views.drawing import lines

_LARGEST = 8
_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH = 60


def render(memory: Memory, largest: int = _LARGEST) -> str:
    """What lives at the peak, by what it is kept for; the largest storages; and the bytes over the run."""
    kinds = _table("kept for", "bytes", "", "share")
    for kind, nbytes in memory.at_peak.items():
        kinds.add_row(kind, *_sizes(nbytes), units.share(nbytes, memory.peak_bytes))
    kinds.add_row("peak", *_sizes(memory.peak_bytes), units.share(memory.peak_bytes, memory.peak_bytes))
    parts: list[Text | Table] = [Text(_title(memory)), kinds]
    if largest:
        storages = _table("largest at the peak", "bytes", "", "shape", "module", "made by", "saved for")
        for held in memory.largest(largest):
            shape = f"{held.spec.dtype} {units.shape(held.spec.shape)}"
            made = held.operator or "(there before)"
            texts = (shape, held.module or "(the model)", made, held.keeper or "")
            storages.add_row(held.kind, *_sizes(held.nbytes), *map(units.printable, texts))
        parts += [Text(), storages]
    return "\n".join([*lines(*parts), "", *_sentences(memory)]) + "\n"


def _table(*names: str) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for name in names:
        table.add_column(name, justify="right" if name in ("bytes", "", "share") else "left", no_wrap=True)
    return table


def _sizes(nbytes: int) -> tuple[str, str]:
    return units.exact(nbytes), units.size(nbytes)


def _title(memory: Memory) -> str:
    return units.printable(f"Memory of {memory.model}: {units.size(memory.peak_bytes)} at the most")


def _sentences(memory: Memory) -> Iterator[str]:
    """The bytes over the run, and what the figures leave out."""
    if memory.timeline:
        yield f"over the run  {_curve(memory)}  {units.size(min(memory.timeline))} to {units.size(memory.peak_bytes)}"
    if memory.allocator is None:
        yield "Sizes are those of the storages, without what an allocator or the process itself takes."
    else:
        assert memory.reserved_bytes is not None
        yield (
            f"Sizes are those that PyTorch's caching allocator for {memory.allocator} takes; it reserves "
            f"{units.size(memory.reserved_bytes)} of the device. What kernels and the driver take comes on top."
        )


def _curve(memory: Memory) -> str:
    """The most bytes in each of some equal stretches of the run, as bars that begin at the least of the run."""
    calls, least = len(memory.timeline), min(memory.timeline)
    width = min(_WIDTH, calls)
    highest = [max(memory.timeline[calls * n // width : calls * (n + 1) // width]) for n in range(width)]
    span = max(highest) - least
    return "".join(_BARS[1 + (len(_BARS) - 2) * (each - least) // span if span else 1] for each in highest)
