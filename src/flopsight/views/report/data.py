"""What a report's script reads: rows and their figures, written down compactly, with every digit.

    quantities  [{name, title, group, meaning, unit, of_calls, adds_up}]     start      what the reader sees first
    modules, family, operator, dtype, phase     tables: {text: {column: [a text for each row]}, depth: [...],
                own: [...], notes: [sentences on what was left out],
                values: {phase: {quantity: [the rows' values, apart by spaces, the rows' texts, apart by tabs]}}}
    totals      {phase: {quantity: [value, text]}}                  memory     the chart's points, see `chart`

The phase `all` is there always, others where there is more than one. Whole numbers are text, since those of JavaScript
have 53 bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from flopsight import units
from flopsight.analysis.memory import Memory
from flopsight.analysis.roofline import Roofline
from flopsight.calls import PHASES
from flopsight.record import Record, Tally
from flopsight.views import table
from flopsight.views.columns import Column, Row
from flopsight.views.report import quantities as known
from flopsight.views.report.quantities import Quantity
from flopsight.views.table import Layout
from flopsight.views.tree import Branch, roots

ALL = "all"
_EVERY_LEVEL = 10_000
_GROUPS = ("family", "operator", "dtype")


@dataclass(frozen=True)
class Subject:
    """What a report is of: a profile, what it can be measured by, and, where they are known, its memory and time."""

    profile: Record
    quantities: list[Quantity]
    memory: Memory | None = None
    roofline: Roofline | None = None

    def measured(self, seconds: Callable[[Roofline], known.Seconds] | None, phase: str = ALL) -> list[Quantity]:
        """All that rows can be measured by. seconds: from a phase's kernels, the least time of a row; None without."""
        listed = list(self.quantities)
        if self.memory is not None:
            listed.append(known.peak(self.memory))
        if self.roofline is not None and seconds is not None:
            part = self.roofline if phase == ALL else known.by_phase(self.roofline, phase)
            listed.append(known.least_time(part, seconds(part)))
        return listed


def data(subject: Subject, layout: Layout) -> dict[str, Any]:
    """Everything that the script needs, as plain values. Raises: InputError."""
    profile = subject.profile
    return {
        "quantities": [_entry(quantity) for quantity in subject.measured(known.of_whole)],
        "start": _start(profile, layout),
        "phases": phases(profile),
        "modules": _modules(subject, layout),
        **{by: _groups(subject, by) for by in _GROUPS},
        "phase": _by_phase(subject),
        "totals": {phase: _totals(subject, phase) for phase in [ALL, *phases(profile)]},
    }


def phases(profile: Record) -> list[str]:
    """The phases of a run with several; none for one with a forward pass alone."""
    found = [phase for phase in PHASES if profile.tally(phase=phase).calls]
    return [] if found in ([], ["forward"]) else found


def _entry(quantity: Quantity) -> dict[str, Any]:
    column = quantity.column
    return {
        "name": units.printable(column.name),
        "title": units.printable(column.title),
        "group": quantity.group,
        "meaning": quantity.meaning,
        "unit": units.printable(quantity.unit),
        "of_calls": quantity.of_calls,
        "adds_up": quantity.adds_up,
    }


def _start(profile: Record, layout: Layout) -> dict[str, Any]:
    usual = "macs" if profile.macs or not profile.cost.exact else "exact"
    chosen = layout.convention if layout.convention is not None else usual
    name = getattr(chosen, "name", chosen)
    depths = [row.depth for row in table.build(profile, replace(layout, by="module")).rows]
    return {
        "quantity": units.printable(str(name)),
        "depth": max(depths, default=0),
        "columns": None if layout.columns is None else list(map(units.printable, layout.columns)),
        "by": layout.by if layout.by in _GROUPS else _GROUPS[0],
    }


def _values(rows: list[Row], columns: Iterable[Column]) -> dict[str, list[str]]:
    return {
        units.printable(column.name): [
            " ".join(str(column.value(row)) for row in rows),
            "\t".join(units.printable(column.text(row)) for row in rows),
        ]
        for column in columns
    }


def _of_calls(listed: list[Quantity]) -> list[Column]:
    return [quantity.column for quantity in listed if quantity.of_calls]


def _modules(subject: Subject, layout: Layout) -> dict[str, Any]:
    profile = subject.profile
    built = table.build(profile, replace(layout, by="module", depth=_EVERY_LEVEL, columns=("class", "input", "output")))
    rows = built.rows
    cells = list(built.cells())
    text = {column.name: [each[index].strip() for each in cells] for index, column in enumerate(built.columns)} | {
        "path": [units.printable(_path(row)) for row in rows]
    }
    if subject.roofline is not None:
        text["bound"] = list(known.bounds(subject.roofline, rows))
    values = {ALL: _values(rows, [quantity.column for quantity in subject.measured(known.of_modules)])}
    for phase in phases(profile):
        of_phase = _rows_of_phase(profile, rows, phase)
        values[phase] = _values(of_phase, _of_calls(subject.measured(known.of_modules, phase)))
    return {
        "text": text,
        "depth": [row.depth for row in rows],
        "own": [int(row.own) for row in rows],
        "notes": built.notes,
        "values": values,
    }


def _path(row: Row) -> str:
    """Where a row is: its module's path, or the first and the last of those that are folded into it."""
    last = f" to {row.paths[-1]}" if len(row.paths) > 1 else ""
    return f"{row.path}{last}{' (own code)' if row.own else ''}"


def _rows_of_phase(profile: Record, rows: list[Row], phase: str) -> list[Row]:
    """The rows with the calls of one phase alone."""
    number = PHASES.index(phase)
    part = replace(profile, calls=[call for call in profile.calls if call[2] == number], storages=[])
    branches = dict(_unfolded(roots(part, fold=False)))

    def tally(row: Row) -> Tally:
        found = [branches[path] for path in row.paths]
        return Tally(sum((branch.own if row.own else branch.counts for branch in found), Counter()))

    return [replace(row, tally=tally(row)) for row in rows]


def _unfolded(branches: list[Branch]) -> Iterable[tuple[str, Branch]]:
    for branch in branches:
        yield branch.path, branch
        yield from _unfolded(branch.children)


def _groups(subject: Subject, by: str) -> dict[str, Any]:
    profile = subject.profile
    rows = table.build(profile, Layout(by=by)).rows
    seconds = None if by == "dtype" else partial(known.of_groups, part=by)
    values = {ALL: _values(rows, _of_calls(subject.measured(seconds)))}
    for phase in phases(profile):
        tallies = getattr(profile, f"by_{by}")(phase=phase)
        of_phase = [replace(row, tally=tallies.get(row.path, Tally({}))) for row in rows]
        values[phase] = _values(of_phase, _of_calls(subject.measured(seconds, phase)))
    return {"text": {"name": [units.printable(row.label) for row in rows]}, "values": values}


def _by_phase(subject: Subject) -> dict[str, Any]:
    rows = [Row(phase, phase, subject.profile.tally(phase=phase)) for phase in phases(subject.profile)]
    columns = _of_calls(subject.measured(partial(known.of_groups, part="phase")))
    return {"text": {"name": [row.label for row in rows]}, "values": {ALL: _values(rows, columns)}}


def _totals(subject: Subject, phase: str) -> dict[str, list[str]]:
    profile = subject.profile
    tally = profile.tally(phase=None if phase == ALL else phase)
    root = profile.modules.get(profile.root)
    tops = (profile.root,) if root is not None else tuple(path for path in profile.modules if "." not in path)
    whole = Row(profile.model, profile.root, tally, params=profile.params, paths=tops, calls=root.calls if root else 0)
    listed = subject.measured(known.of_whole, phase)
    return _values([whole], [quantity.column for quantity in listed if quantity.of_calls or phase == ALL])
