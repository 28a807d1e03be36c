"""What generating costs, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flopsight import units
from flopsight.analysis.assisted import Assisted
from flopsight.analysis.curves import Step
from flopsight.analysis.generation import Component, Generation
from flopsight.cost import FLOPS_PER_MAC
from flopsight.views.drawing import lines

_STEPS = ("", "MACs", "FLOPs", "FLOPs per token", "weights read", "cache after", "FLOPs per byte")
_COMPONENTS = ("component", "MACs of prefill", "of all steps", "FLOPs of both", "share", "weights read", "in a step")
_ROUNDS = ("", "MACs", "FLOPs", "weights read", "cache after", "FLOPs per byte")


def render(generation: Generation) -> str:
    """A row for the prompt, for the first, middle and last step, and for all together; the model's components; rounds
    with an assistant; then what the words mean.
    """
    shown: list[Table | Text] = [Text(title(generation)), _table(_STEPS, _rows(generation))]
    if len(working := [component for component in generation.components if component.macs]) > 1:
        shown += [Text(), _table(_COMPONENTS, _component_rows(generation, working))]
    if generation.assisted is not None:
        shown += [Text(), _table(_ROUNDS, _round_rows(generation, generation.assisted))]
    return "\n".join([*lines(*shown), "", *sentences(generation)]) + "\n"


def title(generation: Generation) -> str:
    """The model and what it is asked."""
    sequences = "1 sequence" if generation.batch == 1 else f"{units.exact(generation.batch)} sequences"
    takes = "" if generation.positions == generation.prompt else f" ({units.exact(generation.positions)} positions)"
    return units.printable(
        f"{generation.model}: {sequences}, prompt of {units.exact(generation.prompt)}{takes}, "
        f"{units.exact(generation.new_tokens)} new tokens each"
    )


def sentences(generation: Generation) -> Iterator[str]:
    """What the columns are, and what is not certain."""
    yield "Decode is one call of the model for each new token but the first, which the prefill gives."
    yield (
        "FLOPs per byte: of weights and cache, each read once; where it is less than what a machine computes for each "
        "byte that it can read, memory is the limit."
    )
    if generation.cache_parts:
        parts = (f"{units.size(size)} of {name.replace('_', ' ')}" for name, size in generation.cache_parts.items())
        yield units.printable(f"The cache is {' and '.join(parts)} at its largest.")
    if generation.assisted is not None:
        yield from map(units.printable, _of_rounds(generation, generation.assisted))
    yield from map(units.printable, generation.notes)
    if generation.unknown:
        names = ", ".join(map(units.printable, generation.unknown))
        yield f"Unknown is not zero: every figure is a lower bound, without the cost of {names}."


def _table(columns: tuple[str, ...], rows: Iterable[list[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _rows(generation: Generation) -> Iterator[list[str]]:
    batch, low = generation.batch, _low(generation)

    def row(name: str, step: Step, tokens: int) -> list[str]:
        cells = _cells(name, step, low)
        return [*cells[:3], f"{low}{units.exact(step.flops // tokens)}", *cells[3:]]

    yield row("prefill", generation.prefill, batch * generation.positions)
    for length in _some(generation.decode.lengths):
        yield row(f"decode, {units.exact(length)} in the cache", generation.decode[length], batch)
    macs, flops = generation.macs, generation.flops
    each = flops // (batch * generation.new_tokens)
    cache = units.size(generation.cache_bytes)
    yield ["all", f"{low}{units.exact(macs)}", f"{low}{units.exact(flops)}", f"{low}{units.exact(each)}", "", cache, ""]


def _component_rows(generation: Generation, working: list[Component]) -> Iterator[list[str]]:
    low = _low(generation)
    for component in working:
        step = next(iter(component.decode), None)
        yield [
            units.printable(component.path) or "outside of these",
            f"{low}{units.exact(component.prefill.macs)}",
            f"{low}{units.exact(component.decode.total('macs'))}",
            f"{low}{units.exact(FLOPS_PER_MAC * component.macs)}",
            f"{component.macs / generation.macs:.1%}",
            units.size(component.prefill.weight_bytes),
            units.size(step.weight_bytes) if step is not None else "",
        ]


def _round_rows(generation: Generation, assisted: Assisted) -> Iterator[list[str]]:
    low = _low(generation)
    yield _cells("first round: draft", assisted.first.draft, low)
    yield _cells("  prompt and verification", assisted.first.verify, low)
    for length in _some(assisted.verify.lengths):
        found = assisted.round(length)
        yield _cells(f"round, {units.exact(length)} in the cache: draft", found.draft, low)
        yield _cells("  verification", found.verify, low)


def _of_rounds(generation: Generation, assisted: Assisted) -> Iterator[str]:
    low, tokens, rounds = _low(generation), assisted.tokens_per_round, assisted.rounds
    drafted = "1 token" if assisted.draft_tokens == 1 else f"{assisted.draft_tokens} tokens"
    yield (
        f"A round: the assistant ({assisted.assistant}) drafts {drafted}, one call each, of which the first reads two "
        f"tokens; one call of the model verifies them. It gives {tokens[0]} to {tokens[-1]} tokens."
    )
    yield (
        f"With the assistant, {low}{units.exact(assisted.macs_if_all_accepted)} MACs in {units.exact(rounds[0])} "
        f"rounds if every drafted token is accepted, {low}{units.exact(assisted.macs_if_none_accepted)} in "
        f"{units.exact(rounds[-1])} if none is; every round is taken as whole, the last too."
    )
    if assisted.acceptance is not None:
        yield (
            f"Assumed: a drafted token is accepted with probability {assisted.acceptance:g}, whatever came before it. "
            f"A round then gives {assisted.expected_tokens:.3f} tokens on average, and all take "
            f"{low}{units.exact(round(assisted.expected_macs or 0))} MACs."
        )


def _cells(name: str, step: Step, low: str) -> list[str]:
    return [
        name,
        f"{low}{units.exact(step.macs)}",
        f"{low}{units.exact(step.flops)}",
        units.size(step.weight_bytes),
        units.size(step.cache_bytes),
        f"{step.intensity:.1f}",
    ]


def _low(generation: Generation) -> str:
    return ">= " if generation.unknown else ""


def _some(lengths: range) -> list[int]:
    """The first, the middle and the last."""
    return list(dict.fromkeys((lengths[0], lengths[len(lengths) // 2], lengths[-1]))) if lengths else []
