"""Rows and columns of a profile: what every format writes down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flopsight import units
from flopsight.calls import ancestors
from flopsight.conventions import Convention
from flopsight.errors import InputError, near
from flopsight.record import Record, Tally
from flopsight.views import columns as known
from flopsight.views.columns import Column, Row
from flopsight.views.tree import Branch, matched, roots, spanned

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
    what a module's own code does as another. only: a pattern for the paths of modules, `layer3.*`; others are left out.
    flat: no tree, but a row for each module that has none below it, and each one's own code, so that every call is in
    one row; nothing is folded. top: so many rows, the largest by `sort` or else by share; of modules, without a tree.
    """

    by: str = "module"
    depth: int | None = None
    sort: str = "model"
    columns: Sequence[str] | None = None
    convention: str | Convention | None = None
    fold: bool = True
    only: str | None = None
    flat: bool = False
    top: int | None = None


@dataclass(frozen=True)
class Table:
    """Columns and rows, and sentences that say which rows were left out."""

    columns: list[Column]
    rows: list[Row]
    notes: tuple[str, ...] = ()

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
    if layout.top is not None and layout.top < 1:
        raise InputError(f"The top {layout.top} rows were asked for; give 1 or more.")
    columns = _columns(profile, layout)
    by_name = {column.name: column for column in columns}
    sort = layout.sort if layout.top is None or layout.sort != "model" else "share"
    order = None if sort == "model" else by_name.get(sort) or _column(profile, layout, sort)
    rows = _module_rows(profile, layout, order) if layout.by == "module" else _group_rows(profile, layout, order)
    notes = []
    if layout.only is not None:
        notes.append(f"Modules like {layout.only} alone; shares and totals are of the whole {profile.model}.")
    if order is not None and layout.top is not None and len(rows) > layout.top:
        notes.append(_among(rows, layout.top, order, _column(profile, layout, "share")))
        rows = rows[: layout.top]
    return Table(columns, rows, tuple(map(units.printable, notes)))


def _among(rows: list[Row], top: int, order: Column, shares: Column) -> str:
    """Which rows are shown, of how many, and what they are together."""
    together = units.share(sum(shares.value(row) or 0 for row in rows[:top]), 100)
    of = "" if order.name == "share" else f" of {shares.title.removeprefix('% of ')}"
    which = "greatest" if order.is_number else "first"
    return f"The {top} of {units.exact(len(rows))} rows with the {which} {order.title}; together {together}{of}."


def flat(profile: Record, **layout: Any) -> tuple[list[str], list[list[Any]]]:
    """Column names and values for other programs: every module in a row of its own, by its path.

    layout: fields of a `Layout`. Raises: InputError.
    """
    built = unfolded(profile, **layout)
    names = ["path" if column.name == "name" else column.name for column in built.columns]
    rows = [
        [row.path if column.name == "name" else column.value(row) for column in built.columns] for row in built.rows
    ]
    return names, rows


def unfolded(profile: Record, **layout: Any) -> Table:
    """The table with every module in a row of its own. layout: fields of a `Layout`. Raises: InputError."""
    return build(profile, Layout(**{**layout, "fold": False}))


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


def _group_rows(profile: Record, layout: Layout, order: Column | None) -> list[Row]:
    if layout.only is not None:
        paths = matched(profile, layout.only)
        inside = [not paths.isdisjoint(ancestors(scope.path)) for scope in profile.scopes]
        profile = replace(profile, calls=[call for call in profile.calls if inside[call[1]]])
    groups: dict[str, Tally] = getattr(profile, f"by_{layout.by}")()
    rows = [Row(name, name, tally, calls=tally.calls) for name, tally in groups.items()]
    return _sorted(rows, order, lambda row: row)


def _module_rows(profile: Record, layout: Layout, order: Column | None) -> list[Row]:
    listed = layout.flat or layout.top is not None
    fold = layout.fold and not layout.flat
    top = roots(profile, fold=fold, only=layout.only)
    depth = layout.depth
    if depth is None:
        depth = fitting_depth(top) if fold and not listed else max(map(_height, top), default=0)
    if listed:
        return _sorted([row for branch in top for row in _leaves(branch, depth)], order, lambda row: row)
    return [row for branch in _sorted(top, order, _row) for row in _rows(branch, 0, layout, depth, order)]


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


def _leaves(branch: Branch, depth: int) -> Iterator[Row]:
    """A row for each module with none below it, and for what others do and hold themselves: each call in one row."""
    row = replace(_row(branch), label=_listed(branch))
    if depth <= 0 or not branch.children:
        yield row
        return
    if branch.own or branch.own_params or branch.own_params.buffers:
        yield replace(row, label=f"{row.label} (own code)", tally=Tally(branch.own), params=branch.own_params, own=True)
    for child in branch.children:
        yield from _leaves(child, depth - 1)


def _listed(branch: Branch) -> str:
    times = f" ({branch.times} x)" if branch.times > 1 else ""
    return f"{spanned(branch.paths)}{times}" if branch.path else branch.label
