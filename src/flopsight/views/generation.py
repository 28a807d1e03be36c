"""What generating costs, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flopsight import units
from flopsight.analysis.generation import Generation, Step
from flopsight.views.drawing import lines

_COLUMNS = ("", "MACs", "FLOPs", "FLOPs per token", "weights read", "cache after", "FLOPs per byte")


def render(generation: Generation) -> str:
    """A row for the prompt, for the first, middle and last step, and for all together; then what the words mean."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for index, name in enumerate(_COLUMNS):
        table.add_column(name, justify="right" if index else "left", no_wrap=True)
    for row in _rows(generation):
        table.add_row(*map(Text, row))
    return "\n".join([*lines(Text(title(generation)), table), "", *sentences(generation)]) + "\n"


def title(generation: Generation) -> str:
    """The model and what it is asked."""
    sequences = "1 sequence" if generation.batch == 1 else f"{units.exact(generation.batch)} sequences"
    return units.printable(
        f"{generation.model}: {sequences}, prompt of {units.exact(generation.prompt)}, "
        f"{units.exact(generation.new_tokens)} new tokens each"
    )


def sentences(generation: Generation) -> Iterator[str]:
    """What the columns are, and what is not certain."""
    yield "Decode is one call of the model for each new token but the first, which the prefill gives."
    yield (
        "FLOPs per byte: of weights and cache, each read once; where it is less than what a machine computes for each "
        "byte that it can read, memory is the limit."
    )
    yield from map(units.printable, generation.notes)
    if generation.unknown:
        names = ", ".join(map(units.printable, generation.unknown))
        yield f"Unknown is not zero: every figure is a lower bound, without the cost of {names}."


def _rows(generation: Generation) -> Iterator[list[str]]:
    batch, low = generation.batch, ">= " if generation.unknown else ""

    def row(name: str, step: Step, tokens: int) -> list[str]:
        return [
            name,
            f"{low}{units.exact(step.macs)}",
            f"{low}{units.exact(step.flops)}",
            f"{low}{units.exact(step.flops // tokens)}",
            units.size(step.weight_bytes),
            units.size(step.cache_bytes),
            f"{step.intensity:.1f}",
        ]

    yield row("prefill", generation.prefill, batch * generation.prompt)
    lengths = generation.decode.lengths
    for length in dict.fromkeys((lengths[0], lengths[len(lengths) // 2], lengths[-1])) if lengths else ():
        yield row(f"decode, {units.exact(length)} in the cache", generation.decode[length], batch)
    macs, flops = generation.macs, generation.flops
    each = flops // (batch * generation.new_tokens)
    cache = units.size(generation.cache_bytes)
    yield ["all", f"{low}{units.exact(macs)}", f"{low}{units.exact(flops)}", f"{low}{units.exact(each)}", "", cache, ""]
