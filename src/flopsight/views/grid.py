"""A table of texts, written down in each format: what views of several profiles are made of."""

from __future__ import annotations

import csv as _csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from flopsight import units
from flopsight.errors import InputError, near
from flopsight.views.csv import cell
from flopsight.views.html import STYLE, html_cell
from flopsight.views.latex_text import latex_table
from flopsight.views.markdown import escaped, line


@dataclass(frozen=True)
class Grid:
    """Rows of texts under titles, with what is said above and below.

    title: what it is about. titles: of the columns. numbers: the columns, by index, that stand to the right. rows: for
    people. names, values: the same for other programs; the titles and rows where they are not given. sentences: below.
    """

    title: str
    titles: Sequence[str]
    numbers: frozenset[int]
    rows: Sequence[Sequence[str]]
    names: Sequence[str] = ()
    values: Sequence[Sequence[Any]] | None = None
    sentences: Sequence[str] = ()

    def printable(self) -> list[list[str]]:
        """The rows, fit to print."""
        return [list(map(units.printable, row)) for row in self.rows]


def text(grid: Grid) -> str:
    """A table for the terminal, as wide as it needs."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from flopsight.views.drawing import lines

    above = [units.printable(grid.title)] if grid.title else []
    if grid.rows:
        table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
        for index, title in enumerate(grid.titles):
            table.add_column(Text(title), justify="right" if index in grid.numbers else "left", no_wrap=True)
        for row in grid.printable():
            table.add_row(*map(Text, row))
        above += lines(table)
    parts = [above, list(map(units.printable, grid.sentences))]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def markdown(grid: Grid) -> str:
    """A table for a README or a pull request."""
    parts = [[f"**{escaped(units.printable(grid.title))}**"]] if grid.title else []
    if grid.rows:
        parts.append([
            line([escaped(title) for title in grid.titles]),
            line(["--:" if index in grid.numbers else ":--" for index in range(len(grid.titles))]),
            *(line([escaped(text) for text in row]) for row in grid.printable()),
        ])  # fmt: skip
    if grid.sentences:
        parts.append([f"- {escaped(units.printable(each))}" for each in grid.sentences])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def latex(grid: Grid) -> str:
    """A table for a paper, without the sentences; it needs booktabs."""
    return latex_table(grid.titles, grid.numbers, grid.rows)


def csv(grid: Grid) -> str:
    """Values for a spreadsheet, without the sentences."""
    stream = io.StringIO()
    writer = _csv.writer(stream, lineterminator="\n")
    writer.writerow(grid.names or grid.titles)
    writer.writerows([cell(value) for value in row] for row in (grid.rows if grid.values is None else grid.values))
    return stream.getvalue()


def html(grid: Grid) -> str:
    """A table for a browser or a notebook, with its own style; everything is escaped."""
    parts = [f"<h4>{escape(units.printable(grid.title))}</h4>"] if grid.title else []
    if grid.rows:
        head = "".join(
            html_cell(title, number=index in grid.numbers, tag="th") for index, title in enumerate(grid.titles)
        )
        body = "".join(
            f"<tr>{''.join(html_cell(text, number=index in grid.numbers) for index, text in enumerate(row))}</tr>\n"
            for row in grid.printable()
        )
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>")
    parts += [f"<p>{escape(units.printable(each))}</p>" for each in grid.sentences]
    return f'<div class="flopsight"><style>{STYLE}</style>\n' + "\n".join(parts) + "\n</div>\n"


FORMATS: dict[str, Callable[[Grid], str]] = {
    "text": text, "csv": csv, "html": html, "latex": latex, "markdown": markdown,
}  # fmt: skip


def render(grids: Sequence[Grid], form: str) -> str:
    """The grids in a format, one after the other; as CSV the last alone. Raises: InputError for an unknown format."""
    if form not in FORMATS:
        raise InputError(f"There is no format {form!r}; there are {', '.join(FORMATS)}.{near(form, list(FORMATS))}")
    if form == "csv":
        return csv(grids[-1])
    return "\n".join(FORMATS[form](grid) for grid in grids)
