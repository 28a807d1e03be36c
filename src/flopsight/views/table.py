"""Rows and columns of a profile: what every format writes down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flopsight import units
from flopsight.conventions import Convention
from flopsight.errors import InputError, near
from flopsight.record import Record, Tally
from flopsight.views import columns as known
from flopsight.views.columns import Column, Row
from flopsight.views.tree import Branch, roots

GROUPINGS = ("module", "operator", "family", "dtype")

DEFAULT_ROWS = 50
"""Without a depth, the tree is as deep as this many rows allow."""

_BY_MODULE = ("name", "class", "input", "output", "params", "macs", "flops", "share", "calls")
_BY_OPERATOR = ("name", "operators", "macs", "flops", "exact", "share")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What to show.

    by: what a row is, one of `GROUPINGS`. depth: levels of modules below the root, as many as fit if not given.
    sort: `model` for the model's order, or a column, largest first. columns: their names, `columns.names()`.
    convention: count by this one instead of MACs and FLOPs. fold: show equal neighbouring modules as one row, and
    what a module's own code does as another.
    """

    by: str = "module"
    depth: int | None = None
    sort: str = "model"
    columns: Sequence[str] | None = None
    convention: str | Convention | None = None
    fold: bool = True


@dataclass(frozen=True)
class Table:
    """Columns and rows."""

    columns: list[Column]
    rows: list[Row]

    def cells(self) -> Iterator[list[str]]:
        """Each row as text for people, fit to print; names are indented by their depth."""
        for row in self.rows:
            yield [
                "  " * row.depth * (column.name == "name") + units.printable(column.text(row))
                for column in self.columns
            ]


def build(profile: Record, layout: Layout) -> Table:
    """The table of a profile. Raises: InputError for an unknown column, order or grouping."""
    if layout.by not in GROUPINGS:
        raise InputError(
            f"Rows cannot be by {layout.by!r}; there are {', '.join(GROUPINGS)}.{near(layout.by, list(GROUPINGS))}"
        )
    if layout.depth is not None and layout.depth < 0:
        raise InputError(f"The depth is {layout.depth}; give 0 for the whole model alone, or more.")
    columns = _columns(profile, layout)
    by_name = {column.name: column for column in columns}
    order = None if layout.sort == "model" else by_name.get(layout.sort) or _column(profile, layout, layout.sort)
    rows = _module_rows(profile, layout, order) if layout.by == "module" else _group_rows(profile, layout.by, order)
    return Table(columns, rows)


def flat(profile: Record, **layout: Any) -> tuple[list[str], list[list[Any]]]:
    """Column names and values for other programs: every module in a row of its own, by its path.

    layout: fields of a `Layout`. Raises: InputError.
    """
    built = build(profile, Layout(**{**layout, "fold": False}))
    names = ["path" if column.name == "name" else column.name for column in built.columns]
    rows = [
        [row.path if column.name == "name" else column.value(row) for column in built.columns] for row in built.rows
    ]
    return names, rows


def _columns(profile: Record, layout: Layout) -> list[Column]:
    chosen = layout.columns
    if chosen is None:
        chosen = _BY_MODULE if layout.by == "module" else _BY_OPERATOR
    wanted = list(chosen)
    if layout.columns is None and layout.convention is not None:
        first = wanted.index("macs")
        wanted = [name for name in wanted if name not in ("macs", "flops", "exact")]
        wanted.insert(first, "count")
    if "name" not in wanted:
        wanted.insert(0, "name")
    return [_column(profile, layout, name) for name in wanted]


def _column(profile: Record, layout: Layout, name: str) -> Column:
    if name == "share":
        return _share(profile, layout)
    if name == "count" and layout.convention is not None:
        return known.of_convention(layout.convention)
    if name == "name" and layout.by != "module":
        return Column("name", layout.by, lambda row: row.label, lambda row: row.label)
    return known.get(name)


def _share(profile: Record, layout: Layout) -> Column:
    """Shares of the convention asked for; of MACs; or, in a model without any, of all operations."""
    whole = profile.tally()
    convention = layout.convention or ("macs" if whole.macs else "exact")
    return known.share(known.of_convention(convention), whole.total(convention))


def _sorted(items: list[Any], order: Column | None, row: Any) -> list[Any]:
    if order is None:
        return items

    def key(item: Any) -> Any:
        value = order.value(row(item))
        return value is not None, value

    return sorted(items, key=key, reverse=order.is_number)


def _group_rows(profile: Record, by: str, order: Column | None) -> list[Row]:
    groups: dict[str, Tally] = getattr(profile, f"by_{by}")()
    rows = [Row(name, name, tally, calls=tally.calls) for name, tally in groups.items()]
    return _sorted(rows, order, lambda row: row)


def _module_rows(profile: Record, layout: Layout, order: Column | None) -> list[Row]:
    top = roots(profile, fold=layout.fold)
    depth = layout.depth
    if depth is None:
        depth = fitting_depth(top) if layout.fold else max(map(_height, top), default=0)
    return [row for branch in top for row in _rows(branch, 0, layout, depth, order)]


def _height(branch: Branch) -> int:
    return 1 + max(map(_height, branch.children), default=-1)


def fitting_depth(top: list[Branch]) -> int:
    """The greatest depth with at most `DEFAULT_ROWS` rows, at least 1."""
    depth, shown = 0, len(top)
    level = [child for branch in top for child in branch.children]
    while level and (shown + len(level) <= DEFAULT_ROWS or depth == 0):
        depth, shown = depth + 1, shown + len(level)
        level = [child for branch in level for child in branch.children]
    return depth


def _row(branch: Branch, depth: int = 0) -> Row:
    return Row(
        label=branch.label,
        path=branch.path,
        tally=branch.tally,
        depth=depth,
        kind=branch.node.kind,
        calls=branch.calls,
        inputs=branch.node.inputs,
        outputs=branch.node.outputs,
        params=branch.params,
        paths=branch.paths,
    )


def _rows(branch: Branch, depth: int, layout: Layout, limit: int, order: Column | None) -> Iterator[Row]:
    yield _row(branch, depth)
    if depth < limit and branch.children:
        own = Tally(branch.own)
        if layout.fold and (own.macs or own.unknown):
            yield Row("(own code)", branch.path, own, depth=depth + 1, calls=branch.calls, paths=branch.paths, own=True)
        for child in _sorted(branch.children, order, _row):
            yield from _rows(child, depth + 1, layout, limit, order)
