"""What a report measures by: the list that its reader picks from, each entry a column of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from flopsight import conventions, units
from flopsight.analysis.memory import Memory
from flopsight.analysis.roofline import Roofline, together
from flopsight.calls import ancestors
from flopsight.conventions import Convention
from flopsight.record import Record
from flopsight.views import columns
from flopsight.views.columns import Column, Row

Seconds = Callable[[Row], float]
"""The least time of a row."""

CONVENTIONS, OTHERS = "Conventions", "As other tools count"
"""Headings of what counts."""

_OWN = ("macs", "flops", "exact", "linear", "weights")
"""Conventions that are no other tool's, the ones asked for most first."""

_OF_CALLS = {
    "effective": (CONVENTIONS, "MACs without those that attention masks make unnecessary.", "MACs"),
    "read": ("Data", "Bytes of all inputs of the operators, each time they are read.", "bytes"),
    "written": ("Data", "Bytes of all results of the operators.", "bytes"),
    "operators": ("Calls", "Calls of operators, those that compute nothing included.", "calls"),
    "unknown": ("Calls", "Calls of operators whose cost is unknown.", "calls"),
}
_OF_MODULES = {
    "params": ("Size", "Elements of parameters, each tensor once in every module that holds it.", "elements"),
    "trainable": ("Size", "Elements of parameters that require a gradient.", "elements"),
    "buffers": ("Size", "Elements of buffers.", "elements"),
    "calls": ("Calls", "Calls of the module itself.", "calls"),
}


@dataclass(frozen=True)
class Quantity:
    """An entry of the list.

    column: its name, heading, value and text. group: the heading that it is listed under. meaning: a sentence.
    unit: of its values. of_calls: whether operator calls have it, and so phases, operators and families too. adds_up:
    whether a module has at least as much as those below it together.
    """

    column: Column
    group: str
    meaning: str
    unit: str
    of_calls: bool = True
    adds_up: bool = True


def quantities(profile: Record, convention: str | Convention | None = None) -> list[Quantity]:
    """What a profile can be measured by, and a convention of the user's own if that is given."""
    names = conventions.names()
    given = [] if convention is None else [conventions.get(convention)]
    counted = [_counted(each, CONVENTIONS) for each in given if each.name not in names]
    counted += [_counted(conventions.get(name), CONVENTIONS) for name in _OWN]
    if profile.effective_macs != profile.macs:
        counted.append(Quantity(columns.get("effective"), *_OF_CALLS["effective"]))
    others = [name for name in names if name not in _OWN and (name == convention or _counts(profile, name))]
    counted += [_counted(conventions.get(name), OTHERS) for name in others]
    params = profile.params
    there = {"params": params, "trainable": params.frozen and params.trainable, "buffers": params.buffers}
    of_calls = ["read", "written", "operators", *(["unknown"] if profile.unknown else [])]
    return [
        *counted,
        *(Quantity(columns.get(name), *_OF_MODULES[name], of_calls=False) for name, size in there.items() if size),
        *(Quantity(columns.get(name), *_OF_CALLS[name]) for name in of_calls),
        Quantity(columns.get("calls"), *_OF_MODULES["calls"], of_calls=False, adds_up=False),
    ]


def _counts(profile: Record, name: str) -> bool:
    """Whether a convention can count a profile: of one that flopsight did not write, arguments may not be there."""
    try:
        profile.total(name)
    except Exception:  # of whatever kind: a convention reads what it needs of an operator, and expects it to be there
        return False
    return True


def _counted(convention: Convention, group: str) -> Quantity:
    return Quantity(columns.of_convention(convention), group, units.printable(convention.summary), convention.unit)


def peak(memory: Memory) -> Quantity:
    """The bytes that live at the peak, by the module that made or holds them, those below included."""
    below: Counter[str] = Counter()
    for path, nbytes in memory.by_module.items():
        below.update(dict.fromkeys(ancestors(path), nbytes))
    own: Mapping[str, int] = memory.by_module

    def value(row: Row) -> int:
        return sum((own if row.own else below).get(path, 0) for path in row.paths)

    column = Column("peak", "bytes at the peak", value, lambda row: units.size(value(row)))
    meaning = "Bytes that live when memory is at its fullest, by the module that made or holds them."
    return Quantity(column, "Memory", meaning, "bytes", of_calls=False)


def least_time(roofline: Roofline, seconds: Seconds) -> Quantity:
    """The least time on a device. seconds: of a row."""

    def text(row: Row) -> str:
        return (">= " if row.tally.unknown else "") + units.time(seconds(row))

    device = units.printable(roofline.device.title or roofline.device.name)
    meaning = f"No run on {device} is faster, by the operators' own algorithms."
    return Quantity(Column("least", "least time", seconds, text), "Time", meaning, "seconds")


def of_whole(roofline: Roofline) -> Seconds:
    """The least time of a row that is everything."""
    return lambda row: roofline.least_s


def of_modules(roofline: Roofline) -> Seconds:
    """The least times of rows that are modules."""
    whole, own = roofline.by_module(), roofline.by("module")

    def seconds(row: Row) -> float:
        works = own if row.own else whole
        return sum(works[path].least_s for path in row.paths if path in works)

    return seconds


def of_groups(roofline: Roofline, part: str) -> Seconds:
    """The least times of rows that are operators, families or phases."""
    works = roofline.by(part)
    return lambda row: works[row.path].least_s if row.path in works else 0.0


def by_phase(roofline: Roofline, phase: str) -> Roofline:
    """The kernels of one phase alone."""
    return replace(roofline, rows=tuple(row for row in roofline.rows if row.phase == phase))


def bounds(roofline: Roofline, rows: list[Row]) -> Iterator[str]:
    """What each row that is a module waits for most."""
    whole, own = roofline.by_module(), roofline.by("module")
    for row in rows:
        works = own if row.own else whole
        yield together(works[path] for path in row.paths if path in works).bound or "-"
