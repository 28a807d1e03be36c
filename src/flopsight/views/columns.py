"""The columns a table can have: what each shows of a row, as a value and as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flopsight import conventions, units
from flopsight.conventions import Convention
from flopsight.cost import TensorSpec
from flopsight.errors import InputError, near
from flopsight.record import ParameterCount, Tally

NO_PARAMETERS = ParameterCount.of([])


@dataclass(frozen=True)
class Row:
    """What a line of a table is about: a module with all below it, or the calls of one operator, family or dtype.

    label: its name as shown. path: the module's; the operator, family or dtype otherwise. depth: below the root.
    paths: of all modules that the line stands for. own: whether it is of their own code alone.
    """

    label: str
    path: str
    tally: Tally
    depth: int = 0
    kind: str = ""
    calls: int = 0
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    params: ParameterCount = NO_PARAMETERS
    paths: tuple[str, ...] = ()
    own: bool = False


@dataclass(frozen=True)
class Column:
    """A column: its name in options, its heading, its value for a row, and that value as text for people.

    of_calls: whether it is a lower bound where the cost of operators is unknown.
    """

    name: str
    title: str
    value: Callable[[Row], Any]
    text: Callable[[Row], str]
    of_calls: bool = False

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers, which stand to the right."""
        return self.name not in TEXTS


TEXTS = ("name", "class", "input", "output")


def _shapes(specs: tuple[TensorSpec, ...]) -> str:
    shown = [units.shape(spec.shape) for spec in specs[:2]]
    return " ".join([*shown, *([f"+{len(specs) - 2}"] if len(specs) > 2 else [])]) or "-"


def _shape_list(specs: tuple[TensorSpec, ...]) -> str:
    return " ".join(units.shape(spec.shape) for spec in specs)


def _bounded(count: Callable[[Row], int]) -> Callable[[Row], str]:
    """A count as text, marked as a lower bound where operators are unknown."""
    return lambda row: (">= " if row.tally.unknown else "") + units.count(count(row))


def _text(name: str, title: str, value: Callable[[Row], str]) -> Column:
    return Column(name, title, value, lambda row: value(row) or "-")


def _count(name: str, title: str, value: Callable[[Row], int], *, of_calls: bool = True) -> Column:
    return Column(name, title, value, _bounded(value) if of_calls else lambda row: units.count(value(row)), of_calls)


def _bytes(name: str, title: str, *attributes: str) -> Column:
    def value(row: Row) -> int:
        counts = row.tally.counts.items()
        return sum(times * getattr(operation, attribute) for operation, times in counts for attribute in attributes)

    return Column(name, title, value, lambda row: units.size(value(row)))


def _unknown(row: Row) -> int:
    return sum(row.tally.counts[operation] for kinds in row.tally.unknown.values() for operation in kinds)


_FIXED = (
    _text("name", "module", lambda row: row.label),
    _text("class", "class", lambda row: row.kind),
    Column("input", "input", lambda row: _shape_list(row.inputs), lambda row: _shapes(row.inputs)),
    Column("output", "output", lambda row: _shape_list(row.outputs), lambda row: _shapes(row.outputs)),
    _count("params", "parameters", lambda row: int(row.params), of_calls=False),
    _count("trainable", "trainable", lambda row: row.params.trainable, of_calls=False),
    _count("buffers", "buffers", lambda row: row.params.buffers, of_calls=False),
    _count("effective", "effective MACs", lambda row: row.tally.effective_macs),
    Column("calls", "calls", lambda row: row.calls, lambda row: units.exact(row.calls)),
    Column("operators", "operator calls", lambda row: row.tally.calls, lambda row: units.exact(row.tally.calls)),
    Column("unknown", "unknown calls", _unknown, lambda row: units.exact(_unknown(row))),
    _bytes("read", "bytes read", "read_bytes"),
    _bytes("written", "bytes written", "written_bytes"),
    _bytes("bytes", "bytes read and written", "read_bytes", "written_bytes"),
)

_TITLES = {"macs": "MACs", "flops": "FLOPs", "exact": "exact operations"}


def of_convention(convention: str | Convention) -> Column:
    """The column that counts under a convention. Raises: ConventionError."""
    found = conventions.get(convention)
    title = _TITLES.get(found.name, f"{found.name} {found.unit}")
    return _count(found.name, title, lambda row: row.tally.total(found))


def share(of: Column, whole: int) -> Column:
    """The column of shares of another column's total, in percent."""
    return Column(
        "share",
        f"% of {of.title}",
        lambda row: 100 * of.value(row) / whole if whole else None,
        lambda row: units.share(of.value(row), whole),
    )


def names() -> list[str]:
    """Every column, the conventions among them."""
    return [column.name for column in _FIXED] + ["share", *conventions.names()]


def get(name: str) -> Column:
    """The column of that name. Raises: InputError with near matches."""
    for column in _FIXED:
        if column.name == name:
            return column
    if name in conventions.names():
        return of_convention(name)
    raise InputError(f"There is no column {name!r}; there are {', '.join(names())}.{near(name, names())}")
