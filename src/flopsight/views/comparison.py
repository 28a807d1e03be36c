"""Models beside each other, a row each, in each format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flopsight.analysis.comparison import Compared, Comparison
from flopsight.errors import InputError
from flopsight.record import Record
from flopsight.views import columns, grid
from flopsight.views.columns import Column, Row
from flopsight.views.dataframe import framed
from flopsight.views.grid import Grid

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("input", "params", "macs", "flops", "exact")
"""What is shown where nothing is asked for."""


def render(comparison: Comparison, form: str = "text") -> str:
    """The table as `text`, `markdown`, `latex`, `csv` or `html`. Raises: InputError for another format."""
    return grid.render([table(comparison)], form)


def dataframe(comparison: Comparison) -> pd.DataFrame:
    """A row for each model, whole numbers. Raises: MissingLibraryError."""
    made = table(comparison)
    return framed(made.names, made.values or [])


def table(comparison: Comparison) -> Grid:
    """The rows as text and as values; below them what makes a figure uncertain. Raises: InputError."""
    shown = chosen(comparison.columns)
    failed = bool(comparison.failed)  # a table for other programs has the reasons in a column, one for people below
    titles = ["model", *(column.title for column in shown)]
    return Grid(
        title="",
        titles=titles,
        numbers=frozenset(index for index, column in enumerate(shown, 1) if column.is_number),
        rows=[_texts(row, shown) for row in comparison.rows],
        names=["model", *(column.name for column in shown), *["reason"] * failed],
        values=[[row.name, *_values(row, shown), *[row.reason] * failed] for row in comparison.rows],
        sentences=list(_sentences(comparison)),
    )


def chosen(names: tuple[str, ...]) -> list[Column]:
    """The columns of those names. Raises: InputError, with near matches."""
    if "share" in names:
        raise InputError("A share is of a whole, which models beside each other are not; leave out the column share.")
    return [columns.get(name) for name in names if name != "name"]


def row_of(name: str, record: Record) -> Row:
    """A whole profile as a row of a table."""
    node = record.modules.get(record.root)
    return Row(
        label=name,
        path=record.root,
        tally=record.tally(),
        kind=node.kind if node else record.model,
        calls=node.calls if node else 0,
        inputs=node.inputs if node else (),
        outputs=node.outputs if node else (),
        params=record.params,
    )


def _texts(row: Compared, shown: list[Column]) -> list[str]:
    if row.record is None:
        return [row.name, *["-"] * len(shown)]
    made = row_of(row.name, row.record)
    return [row.name, *(column.text(made) for column in shown)]


def _values(row: Compared, shown: list[Column]) -> list[object]:
    if row.record is None:
        return [None] * len(shown)
    made = row_of(row.name, row.record)
    return [column.value(made) for column in shown]


def _sentences(comparison: Comparison) -> Iterator[str]:
    for row in comparison.rows:
        if row.record is None:
            yield f"{row.name} could not be measured: {row.reason}"
        elif row.record.unknown:
            yield f"{row.name}: lower bounds; {', '.join(row.record.unknown)} unknown."
        for note in row.record.notes if row.record is not None else ():
            yield f"{row.name}: assumed: {note}"
