"""A table in as many columns of the screen as there are: no line is longer, and no number is cut."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from flopsight.views import bars
from flopsight.views.columns import Column, Row
from flopsight.views.table import Table as Built

_EXPENDABLE = ("output", "input", "flops", "calls", "class", "exact", "params")
"""Columns that make room where the terminal is narrow, in this order."""

_BETWEEN = 3
_NAME = 22
"""In a tree, a name is not cut below this to make room for bars; in a list, which has whole paths, not at all."""

_BARS = (16, 10)
_DOTS = "…"


def fitted(built: Built, width: int, *, shrink: bool, barred: bool) -> list[Table]:
    """The table as what rich draws: one, or several below each other if its columns are more than fit.

    shrink: leave columns out instead. barred: with bars beside shares, and marks at the rows that have the most.
    """
    columns = [_Drawn(column, texts) for column, texts in zip(built.columns, _texts(built), strict=True)]
    share = next((drawn for drawn in columns if drawn.column.name == "share"), None)
    if barred and share is not None:
        share.add_bars(built.rows, _BARS[0])
    if not shrink:
        return [_table(part, built.rows) for part in _parts(columns, width)]
    for name in ("", *_EXPENDABLE):
        columns = [drawn for drawn in columns if drawn.column.name != name]
        if _width(columns) <= width:
            return [_table(columns, built.rows)]
    if barred and share is not None:
        share.add_bars(built.rows, _BARS[1])
        needed = _NAME if any(row.depth for row in built.rows) else columns[0].width
        if width - _width(columns[1:]) - _BETWEEN < min(needed, columns[0].width):
            share.bars = []
    columns[0].cut(width - _width(columns[1:]) - _BETWEEN)
    return [_table(columns, built.rows)]


class _Drawn:
    """A column with its texts, which may be cut, and be given bars."""

    def __init__(self, column: Column, texts: list[str]) -> None:
        self.column = column
        self.texts = texts
        self.bars: list[str] = []
        self.marked: set[int] = set()
        self.last: list[int] = []

    @property
    def title_width(self) -> int:
        return max(map(cell_len, (self.column.title, *self.texts)))

    @property
    def width(self) -> int:
        return self.title_width + max(map(cell_len, self.bars), default=-1) + 1

    def add_bars(self, rows: Sequence[Row], width: int) -> None:
        """Bars beside the texts, and marks behind them."""
        percents = [self.column.value(row) or 0 for row in rows]
        self.last = bars.last(rows)
        self.marked = bars.leading(rows, percents)
        marks = [f" {bars.MARK}" if index in self.marked else "" for index in range(len(rows))]
        self.bars = [bars.bar(percent, width) + mark for percent, mark in zip(percents, marks, strict=True)]

    def cut(self, width: int) -> None:
        """Leave so much of each text, its beginning and its end."""
        self.texts = [_cut(text, max(width, len(_DOTS) + 2)) for text in self.texts]


def _texts(built: Built) -> list[list[str]]:
    """The cells by column."""
    cells = list(built.cells())
    return [[row[index] for row in cells] for index in range(len(built.columns))]


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    end = (width - len(_DOTS)) // 2
    beginning = set_cell_size(text, width - len(_DOTS) - end)
    return f"{beginning}{_DOTS}{set_cell_size(text[::-1], end)[::-1]}"


def _width(columns: Sequence[_Drawn]) -> int:
    return sum(drawn.width for drawn in columns) + _BETWEEN * (len(columns) - 1)


def _parts(columns: list[_Drawn], width: int) -> list[list[_Drawn]]:
    """The columns in groups that fit, each behind the first, which says what a row is."""
    first, *rest = columns
    if _width(columns) > width:
        for drawn in columns:
            if not drawn.column.is_number:
                drawn.cut(width // 2 - _BETWEEN)
    parts = [[first]]
    for drawn in rest:
        if len(parts[-1]) > 1 and _width([*parts[-1], drawn]) > width:
            parts.append([first])
        parts[-1].append(drawn)
    return parts


def _table(columns: Sequence[_Drawn], rows: Sequence[Row]) -> Table:
    made = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for drawn in columns:
        right = drawn.column.is_number and not drawn.bars
        title = drawn.column.title.rjust(drawn.title_width) if drawn.bars else drawn.column.title
        made.add_column(
            Text(title), justify="right" if right else "left", no_wrap=True,
            style="cyan" if drawn.column.name == "share" else None,
        )  # fmt: skip
    marked = set().union(*(drawn.marked for drawn in columns))
    heads = {index for index, row in enumerate(rows) if row.depth == 0} - set(bars.last(rows))
    for index in range(len(rows)):
        style = "bold" if index in heads or index in marked else None
        made.add_row(*(_cell(drawn, index) for drawn in columns), style=style)
    return made


def _cell(drawn: _Drawn, index: int) -> Text:
    if not drawn.bars:
        return Text(drawn.texts[index])
    marked, last = index in drawn.marked, index in drawn.last
    percent = (f"{drawn.texts[index].rjust(drawn.title_width)} ", "yellow" if marked else "")
    return Text.assemble(percent, (drawn.bars[index], "yellow" if marked else "" if last else "dim"))
