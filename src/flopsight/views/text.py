"""A table for the terminal, or for a pipe."""

from __future__ import annotations

import io
import shutil
import sys
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from flopsight.record import Record
from flopsight.views import View, summary, table
from flopsight.views.table import Layout

_EXPENDABLE = ("output", "input", "flops", "calls", "class", "exact", "params")
"""Columns that make room where the terminal is narrow, in this order."""

_UNLIMITED = 10_000


def render(profile: Record, *, width: int | None = None, color: bool = False, **layout: Any) -> str:
    """The profile as text: a table, totals, phases, unknown operators and assumptions.

    width: of the terminal; if not given, that of the terminal if there is one, else as wide as the table needs.
    color: with escape codes. layout: the fields of a `Layout`.
    """
    if width is None:
        width = shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else _UNLIMITED
    arranged = Layout(**layout)
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, color_system="standard" if color else None, highlight=False,
        legacy_windows=False,
    )  # fmt: skip
    console.print(Text(summary.title(profile), style="bold"), soft_wrap=True)
    built = table.build(profile, arranged)
    if built.rows:
        console.print(_fitted(built, console, shrink=arranged.columns is None))
    _print_totals(profile, console, arranged)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _fitted(built: table.Table, console: Console, *, shrink: bool) -> Table:
    """The table with as many of its columns as the console has room for."""
    columns = list(range(len(built.columns)))
    texts = list(built.cells())
    for name in ("", *_EXPENDABLE) if shrink else ("",):
        columns = [index for index in columns if built.columns[index].name != name]
        drawn = _drawn(built, columns, texts)
        if _natural_width(drawn, console) <= console.width:
            break
    return drawn


def _natural_width(drawn: Table, console: Console) -> int:
    return Measurement.get(console, console.options.update(max_width=_UNLIMITED), drawn).maximum


def _drawn(built: table.Table, columns: list[int], texts: list[list[str]]) -> Table:
    drawn = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for index in columns:
        column = built.columns[index]
        drawn.add_column(
            column.title, justify="right" if column.is_number else "left", no_wrap=True, overflow="ellipsis",
            style="cyan" if column.name == "share" else None,
        )  # fmt: skip
    for row, cells in zip(built.rows, texts, strict=True):
        drawn.add_row(*(Text(cells[index]) for index in columns), style="bold" if row.depth == 0 else None)
    return drawn


def _print_totals(profile: Record, console: Console, layout: Layout) -> None:
    console.print()
    console.print(_grid([list(line) for line in summary.totals(profile, layout.convention)], numbers={1}))
    by_phase = summary.phases(profile)
    if by_phase:
        console.print()
        console.print(_grid(by_phase, numbers={1, 2, 3, 4}))
    missing = summary.unknown(profile)
    if missing:
        console.print("\nUnknown cost, missing from the numbers above:", style="bold red")
        console.print(_grid([["  " + line.name, line.value, line.meaning] for line in missing], numbers={1}))
    if profile.notes:
        console.print("\nAssumptions:", style="bold")
        for note in summary.notes(profile):
            console.print(Text(f"  {note}"), soft_wrap=True)


def _grid(rows: list[list[str]], *, numbers: set[int]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for index in range(len(rows[0])):
        grid.add_column(justify="right" if index in numbers else "left", no_wrap=index < 2)
    for row in rows:
        grid.add_row(*map(Text, row))
    return grid


VIEW = View("text", "a table for the terminal", render)
