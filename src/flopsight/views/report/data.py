"""What a report's script reads: rows and their figures, written down compactly, with every digit.

    quantities  [{name, title, group, meaning, unit, of_calls, adds_up}]     start      what the reader sees first
    modules, family, operator, dtype, phase     tables: {text: {column: [a text for each row]}, depth: [...],
                values: {phase: {quantity: [the rows' values, apart by spaces, the rows' texts, apart by tabs]}}}
    totals      {phase: {quantity: [value, text]}}                  memory     the chart's points, see `chart`

The phase `all` is there always, others where there is more than one. Whole numbers are text, since those of JavaScript
have 53 bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
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
    """What a report is of: a profile, and where there are any, its memory and its least time on a device."""

    profile: Record
    memory: Memory | None = None
    roofline: Roofline | None = None


def data(subject: Subject, layout: Layout) -> dict[str, Any]:
    """Everything that the script needs, as plain values. Raises: InputError."""
    profile, roofline = subject.profile, subject.roofline
    listed = _quantities(subject, layout, None if roofline is None else lambda row: roofline.least_s)
    return {
        "quantities": [_entry(quantity) for quantity in listed],
        "start": _start(profile, layout, listed),
        "phases": phases(profile),
        "modules": _modules(subject, layout),
        **{by: _groups(subject, layout, by) for by in _GROUPS},
        "phase": _by_phase(subject, layout),
        "totals": {phase: _totals(subject, layout, phase) for phase in [ALL, *phases(profile)]},
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


def _start(profile: Record, layout: Layout, listed: list[Quantity]) -> dict[str, Any]:
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


def _quantities(subject: Subject, layout: Layout, seconds: known.Seconds | None) -> list[Quantity]:
    listed = known.quantities(subject.profile, layout.convention)
    if subject.memory is not None:
        listed.append(known.peak(subject.memory))
    if subject.roofline is not None and seconds is not None:
        listed.append(known.least_time(subject.roofline, seconds))
    return listed


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
    profile, roofline = subject.profile, subject.roofline
    built = table.build(profile, replace(layout, by="module", depth=_EVERY_LEVEL, columns=("class", "input", "output")))
    rows = built.rows
    cells = list(built.cells())
    text = {column.name: [each[index].strip() for each in cells] for index, column in enumerate(built.columns)} | {
        "path": [units.printable(_path(row)) for row in rows]
    }
    seconds = None
    if roofline is not None:
        seconds = known.of_modules(roofline)
        text["bound"] = list(known.bounds(roofline, rows))
    listed = _quantities(subject, layout, seconds)
    values = {ALL: _values(rows, [quantity.column for quantity in listed])}
    for phase in phases(profile):
        seconds = None if roofline is None else known.of_modules(known.by_phase(roofline, phase))
        columns = _of_calls(_quantities(subject, layout, seconds))
        values[phase] = _values(_rows_of_phase(profile, rows, phase), columns)
    return {"text": text, "depth": [row.depth for row in rows], "own": [int(row.own) for row in rows], "values": values}


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


def _groups(subject: Subject, layout: Layout, by: str) -> dict[str, Any]:
    profile = subject.profile
    rows = table.build(profile, replace(layout, by=by, columns=None, sort="model")).rows
    values = {}
    for phase in [ALL, *phases(profile)]:
        roofline = subject.roofline
        if roofline is not None and phase != ALL:
            roofline = known.by_phase(roofline, phase)
        seconds = None if roofline is None or by == "dtype" else known.of_groups(roofline, by)
        tallies = {row.path: row.tally for row in rows}
        if phase != ALL:
            tallies = getattr(profile, f"by_{by}")(phase=phase)
        of_phase = [replace(row, tally=tallies.get(row.path, Tally({}))) for row in rows]
        values[phase] = _values(of_phase, _of_calls(_quantities(subject, layout, seconds)))
    return {"text": {"name": [units.printable(row.label) for row in rows]}, "values": values}


def _by_phase(subject: Subject, layout: Layout) -> dict[str, Any]:
    profile, roofline = subject.profile, subject.roofline
    rows = [Row(phase, phase, profile.tally(phase=phase)) for phase in phases(profile)]
    seconds = None if roofline is None else known.of_groups(roofline, "phase")
    return {
        "text": {"name": [row.label for row in rows]},
        "values": {ALL: _values(rows, _of_calls(_quantities(subject, layout, seconds)))},
    }


def _totals(subject: Subject, layout: Layout, phase: str) -> dict[str, list[str]]:
    profile, roofline = subject.profile, subject.roofline
    if roofline is not None and phase != ALL:
        roofline = known.by_phase(roofline, phase)
    tally = profile.tally(phase=None if phase == ALL else phase)
    root = profile.modules.get(profile.root)
    paths = (profile.root,) if root is not None else tuple(path for path in profile.modules if "." not in path)
    whole = Row(profile.model, profile.root, tally, params=profile.params, paths=paths, calls=root.calls if root else 0)
    seconds = None if roofline is None else lambda row: roofline.least_s
    listed = _quantities(subject, layout, seconds)
    return _values([whole], [quantity.column for quantity in listed if quantity.of_calls or phase == ALL])
