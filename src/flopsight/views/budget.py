"""Budgets and what became of them: a table, and a sentence for each that does not hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flopsight import conventions, units
from flopsight.analysis.budget import EXCEEDED, Baseline, Blamed, Outcome, Verdict
from flopsight.analysis.figures import CALLS, PARAMS, PEAK, UNKNOWN
from flopsight.views import columns, grid
from flopsight.views.grid import Grid

_TITLES = {PARAMS: "parameters", PEAK: "peak memory", CALLS: "operator calls", UNKNOWN: "unknown calls"}
_FAILED = "failed"
_NAMED = 5
"""So many modules are named."""
_MANY = 3
"""And so many operators."""


def render(outcomes: Sequence[Outcome], form: str = "text") -> str:
    """The table and the sentences as `text`, `markdown`, `latex`, `csv` or `html`. Raises: InputError."""
    return grid.render([table(outcomes)], form)


def table(outcomes: Sequence[Outcome]) -> Grid:
    """A row for each figure of each budget."""
    rows: list[list[str]] = []
    values: list[list[Any]] = []
    for outcome in outcomes:
        if outcome.error:
            rows.append([outcome.name, "-", "-", "-", "-", _FAILED])
            values.append([outcome.name, None, None, None, _FAILED])
        for verdict in outcome.verdicts:
            rows.append([outcome.name, *_cells(verdict)])
            values.append([outcome.name, verdict.quantity, verdict.found, verdict.limit, verdict.status])
    return Grid(
        title=headline(outcomes),
        titles=("budget", "figure", "found", "limit", "used", "result"),
        numbers=frozenset({2, 3, 4}),
        rows=rows,
        names=("budget", "figure", "found", "limit", "result"),
        values=values,
        sentences=[text for outcome in outcomes for text in sentences(outcome)],
    )


def headline(outcomes: Sequence[Outcome]) -> str:
    """How many hold."""
    holding = sum(outcome.holds for outcome in outcomes)
    if len(outcomes) == 1:
        return "the budget holds" if holding else "the budget does not hold"
    return f"{units.exact(holding)} of {units.exact(len(outcomes))} budgets hold"


def sentences(outcome: Outcome) -> Iterator[str]:
    """Why a budget does not hold."""
    if outcome.error:
        yield f"{outcome.name}: {outcome.error}"
    for verdict in outcome.verdicts:
        if not verdict.holds:
            yield f"{outcome.name}: {sentence(verdict)}"


def sentence(verdict: Verdict) -> str:
    """By how much a limit is exceeded and by which modules; or why that cannot be said."""
    title, found = figure_title(verdict.quantity), _exact(verdict.quantity, verdict.found)
    if verdict.status != EXCEEDED:
        operators = ", ".join(verdict.unknown[:_MANY]) + (", ..." if len(verdict.unknown) > _MANY else "")
        return (
            f"{title}: at least {found}, and whether that is all cannot be said: {operators} unknown. Give a formula "
            "(flopsight.formula), or say how many calls may be unknown: unknown = N"
        )
    over = verdict.found - verdict.limit
    share = f" ({units.percentage(verdict.limit, verdict.found)})" if verdict.limit else ""
    least = "at least " * verdict.at_least
    told = f"{title}: {least}{found}, which is {units.exact(over)}{share} over {units.exact(verdict.limit)}."
    return " ".join([told, *blamed_sentence(verdict)])


def blamed_sentence(verdict: Verdict) -> Iterator[str]:
    """The modules that grew, or the largest."""
    if verdict.blamed:
        grew = verdict.blamed[0].before is not None
        named = [blamed_text(verdict, each) for each in verdict.blamed[:_NAMED]]
        more = len(verdict.blamed) - _NAMED
        named += [f"{units.exact(more)} more"] * (more > 0)
        yield f"{'Grew' if grew else 'Largest'}: {'; '.join(named)}."


def blamed_text(verdict: Verdict, blamed: Blamed) -> str:
    """A module and what it has of a figure, or by how much it grew."""
    what = ", ".join(filter(None, (blamed.kind, f"{blamed.times} x" if blamed.times > 1 else "")))
    name = f"{blamed.label or '(model)'}{f' ({what})' * bool(what)}"
    if blamed.before is None:
        return f"{name} {figure_text(verdict.quantity, blamed.now)}, {units.share(blamed.now, verdict.found)}"
    apart = f"+{figure_text(verdict.quantity, blamed.grew_by)}"
    return (
        f"{name} {apart} ({units.percentage(blamed.before, blamed.now)})" if blamed.before else f"{name} {apart}, new"
    )


def moved(before: Baseline | None, made: Baseline) -> str:
    """What a new baseline has that the one before had not."""
    if before is None:
        return ", ".join(f"{figure_title(name)} {figure_text(name, value)}" for name, value in made.totals.items())
    old = {name: before.totals.get(name, 0) for name in made.totals}
    apart = [
        f"{figure_title(name)} {figure_text(name, old[name])} -> {figure_text(name, value)} "
        f"({units.percentage(old[name], value)})"
        for name, value in made.totals.items()
        if value != old[name]
    ]
    return ", ".join(apart) or "as before"


def figure_title(quantity: str) -> str:
    """What a figure is called."""
    return columns.of_convention(quantity).title if quantity in conventions.names() else _TITLES[quantity]


def figure_text(quantity: str, value: int) -> str:
    """A figure for people."""
    return units.size(value) if quantity == PEAK else units.count(value)


def _exact(quantity: str, value: int) -> str:
    return f"{units.exact(value)} bytes" if quantity == PEAK else units.exact(value)


def _cells(verdict: Verdict) -> list[str]:
    found = ">= " * verdict.at_least + figure_text(verdict.quantity, verdict.found)
    limit = figure_text(verdict.quantity, verdict.limit)
    used = units.share(verdict.found, verdict.limit)
    return [figure_title(verdict.quantity), found, limit, used, verdict.status]


def workflow_commands(outcomes: Sequence[Outcome]) -> list[str]:
    """The sentences as GitHub's workflow commands, which it shows as errors."""
    return [
        f"::error title={_escaped(f'flopsight: {outcome.name}', ',:')}::{_escaped(text)}"
        for outcome in outcomes
        for text in sentences(outcome)
    ]


def _escaped(text: str, also: str = "") -> str:
    """Text that ends neither the command nor, with `also`, one of its properties."""
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{also}" else c for c in units.printable(text))
