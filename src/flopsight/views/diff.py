"""What changed from one profile to another, in each format: the totals, and under them the modules, most first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from typing import Any

from flopsight import units
from flopsight.analysis.diff import CHANGED, RENAMED, Change, Diff, Side, bound
from flopsight.calls import ModuleNode
from flopsight.cost import TensorSpec
from flopsight.errors import InputError
from flopsight.record import Tally
from flopsight.views import columns, grid, summary
from flopsight.views.columns import Column, Row
from flopsight.views.comparison import row_of
from flopsight.views.grid import Grid

COLUMNS = ("macs", "params")
"""What is shown of each change where nothing is asked for."""
TOP = 40
"""So many changes are listed where nothing is asked for."""

_TOTALS = ("macs", "flops", "exact", "params", "operators")
_NOTHING = Row("", "", Tally({}))
_UNKNOWN = "?"
_NAMED = 3
_MODEL = "(model)"


def render(
    diff: Diff,
    form: str = "text",
    *,
    columns: Sequence[str] = COLUMNS,
    top: int | None = TOP,
    names: Sequence[str] = (),
) -> str:
    """The totals, and the changes by module.

    form: `text`, `markdown`, `latex`, `csv` (all changes, and the totals as the first line) or `html`. columns: the
    figures of each change; they are in the order of the first. top: how many are listed, None for all. names: of the
    two, if not their models'.
    Raises: InputError for an unknown format or column.
    """
    shown = chosen(columns)
    before, after = names or [summary.title(record) for record in (diff.old, diff.new)]
    title = f"{before} -> {after}"
    if not diff.changed:
        return grid.render([Grid(title, (), frozenset(), (), _names(shown), [], ["Nothing changed."])], form)
    listed = [_Line(change, tuple(shown)) for change in diff.changes] if diff.related else []
    told = [line for line in listed if line.tells]
    told.sort(key=lambda line: [-abs(new - old) for old, new in line.figures])
    below = list(_sentences(diff, shown, told, [line for line in listed if not line.tells], top))
    return grid.render([replace(_totals(diff, shown), title=title), _changes(diff, shown, told, top, below)], form)


def chosen(names: Sequence[str]) -> list[Column]:
    """The columns of those names. Raises: InputError for an unknown one, and for one that is no number."""
    found = []
    for name in names:
        if name == "share" or not (column := columns.get(name)).is_number:
            raise InputError(
                f"What changed is told in numbers, which {name} is not; choose from macs, params, exact, ..."
            )
        found.append(column)
    return found


@dataclass(frozen=True)
class _Line:
    """A change as a line of the table."""

    change: Change
    shown: tuple[Column, ...]

    @cached_property
    def rows(self) -> tuple[Row, Row]:
        """Before and after."""
        return _row(self.change.old, self.change.times), _row(self.change.new, self.change.times)

    @cached_property
    def figures(self) -> list[tuple[int, int]]:
        """By column, before and after."""
        before, after = self.rows
        return [(column.value(before), column.value(after)) for column in self.shown]

    @property
    def tells(self) -> bool:
        """Whether there is something to see in these columns."""
        change = self.change
        same_class = change.old and change.new and change.old.node.kind == change.new.node.kind
        return change.what != CHANGED or not same_class or any(old != new for old, new in self.figures)

    @property
    def name(self) -> str:
        """Of the module, with how many it stands for, and whether what is below it is left out."""
        change = self.change
        own = change.has_children and change.what in (CHANGED, RENAMED)
        label = change.side.label or change.side.node.kind or _MODEL
        return f"{label}{f' ({change.times} x)' * (change.times > 1)}{' (own code)' * (own and change.what == CHANGED)}"

    def texts(self) -> list[str]:
        """The line for people."""
        before, after = self.rows
        cells = [_difference(column, before, after) for column in self.shown]
        return [self.change.what, self.name, "; ".join(_remarks(self.change)) or "-", *cells]

    def values(self) -> list[Any]:
        """The line for other programs."""
        change = self.change
        paths = [side.label if side else None for side in (change.old, change.new)]
        kinds = [side.node.kind if side else None for side in (change.old, change.new)]
        return [change.what, *paths, *kinds, change.times, *_values(self.figures)]


def _row(side: Side | None, times: int) -> Row:
    if side is None:
        return _NOTHING
    node = side.node
    return Row(
        label=side.label,
        path=side.path,
        tally=side.tally,
        kind=node.kind,
        calls=node.calls * times,
        inputs=node.inputs,
        outputs=node.outputs,
        params=side.params,
    )


def _difference(column: Column, before: Row, after: Row) -> str:
    """A difference for people; where not the same operators are unknown before and after, what is known of it."""
    known = bound(before.tally, after.tally) if column.of_calls else ""
    old, new = column.value(before), column.value(after)
    return _UNKNOWN if known == _UNKNOWN else known + units.change(old, new)


def _remarks(change: Change) -> Iterator[str]:
    """What is different about the module, beside the figures."""
    old, new = change.old, change.new
    if old is None or new is None:
        yield change.side.node.kind
        return
    if change.what == RENAMED:
        yield f"was {old.label or old.node.kind or _MODEL}"
    yield _moved("", old.node.kind, new.node.kind) or new.node.kind
    yield from filter(None, (
        _moved("input ", *_shapes(old.node.inputs, new.node.inputs)),
        *_parameters(old.node, new.node),
        _moved("calls ", units.exact(old.node.calls), units.exact(new.node.calls)),
    ))  # fmt: skip


def _parameters(old: ModuleNode, new: ModuleNode) -> Iterator[str]:
    """The first of its parameters or buffers that is another one."""
    for before, after in zip_longest(old.parameters, new.parameters):
        if before is None or after is None or before[:-1] != after[:-1]:
            name = next(each.name for each in (after, before) if each)
            texts = _shapes(*((each.spec,) if each else () for each in (before, after)))
            yield _moved(f"{name} ", *texts) or f"{name} is held otherwise"
            return


def _shapes(old: Sequence[TensorSpec], new: Sequence[TensorSpec]) -> tuple[str, str]:
    """The shapes of tensors before and after, with their dtypes where these differ."""
    same = [spec.dtype for spec in old] == [spec.dtype for spec in new]

    def told(specs: Sequence[TensorSpec]) -> str:
        return ", ".join(f"{'' if same else f'{spec.dtype} '}{units.shape(spec.shape)}" for spec in specs) or "none"

    return told(old), told(new)


def _moved(what: str, old: str, new: str) -> str:
    return "" if old == new else f"{what}{old} -> {new}"


def _names(shown: Sequence[Column]) -> list[str]:
    figures = [f"{column.name}_{part}" for column in shown for part in ("old", "new", "change")]
    return ["change", "old", "new", "old_class", "new_class", "times", *figures]


def _values(figures: Sequence[tuple[int, int]]) -> list[int]:
    return [value for old, new in figures for value in (old, new, new - old)]


def _totals(diff: Diff, shown: Sequence[Column]) -> Grid:
    """Each total before and after, every digit; what is a lower bound is marked."""
    before, after = row_of("", diff.old), row_of("", diff.new)
    extra = [column for column in shown if column.name not in _TOTALS]
    wanted = [*extra, *map(columns.get, _TOTALS)]
    if diff.old.unknown or diff.new.unknown:
        wanted.append(columns.get("unknown"))
    rows = []
    for column in wanted:
        old, new = column.value(before), column.value(after)
        known = bound(before.tally, after.tally) if column.of_calls else ""
        low = [">= " if column.of_calls and row.tally.unknown else "" for row in (before, after)]
        apart = (
            [_UNKNOWN, _UNKNOWN]
            if known == _UNKNOWN
            else [known + units.difference(new - old), units.percentage(old, new)]
        )
        rows.append([column.title, low[0] + units.exact(old), low[1] + units.exact(new), *apart])
    return Grid("", ("total", "before", "after", "difference", ""), frozenset({1, 2, 3, 4}), rows)


def _changes(diff: Diff, shown: Sequence[Column], told: list[_Line], top: int | None, below: list[str]) -> Grid:
    titles = ["change", "module", "details", *(column.title for column in shown)]
    before, after = row_of("", diff.old), row_of("", diff.new)
    total = [(column.value(before), column.value(after)) for column in shown]
    whole = ["total", "", "", diff.old.model, diff.new.model, 1, *_values(total)]
    return Grid(
        title="",
        titles=titles,
        numbers=frozenset(range(3, len(titles))),
        rows=[line.texts() for line in told[:top]],
        names=_names(shown),
        values=[whole, *(line.values() for line in told)],
        sentences=below,
    )


def _sentences(
    diff: Diff, shown: Sequence[Column], told: list[_Line], rest: list[_Line], top: int | None
) -> Iterator[str]:
    if not diff.related:
        yield (
            f"{diff.old.model} and {diff.new.model} have next to no module in common, by name or by what it is: these "
            "are profiles of different models, and only their totals are compared."
        )
    if top is not None and len(told) > top:
        yield f"{units.plural(len(told) - top, 'more change')}, none of them larger; --top {len(told)} lists all."
    if rest:
        names = ", ".join(line.name for line in rest[:_NAMED]) + (", ..." if len(rest) > _NAMED else "")
        titles = " and ".join(column.title for column in shown)
        yield f"In shapes or operators, but not in {titles}, changed: {units.exact(len(rest))} more ({names})."
    if diff.old.unknown or diff.new.unknown:
        yield (
            "Operators are unknown, so totals are lower bounds (>=). Their difference is exact where the same calls "
            f"are unknown before and after; else it is a bound itself (>=, <=), or cannot be said ({_UNKNOWN})."
        )
    for when, operators in (("Newly", diff.unknown_added), ("No longer", diff.unknown_removed)):
        if operators:
            yield f"{when} unknown: {', '.join(operators)}."
    yield from (f"Assumed now: {note}" for note in diff.notes_added)
    yield from (f"No longer assumed: {note}" for note in diff.notes_removed)
