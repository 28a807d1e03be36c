"""A table for the terminal, or for a pipe."""

from __future__ import annotations

import io
import shutil
import sys
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from flopsight import units
from flopsight.record import Record
from flopsight.views import View, summary, table
from flopsight.views.fitted import fitted
from flopsight.views.table import Layout

_UNLIMITED = 10_000
_BETWEEN = 2


def render(profile: Record, *, width: int | None = None, color: bool = False, bars: bool = False, **layout: Any) -> str:
    """The profile as text: a table, totals, phases, unknown operators and assumptions.

    width: of the terminal; if not given, that of the terminal if there is one, else as wide as the table needs.
    color: with escape codes. bars: beside shares, with marks at the rows that have the most. layout: the fields of a
    `Layout`.
    """
    if width is None:
        width = shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else _UNLIMITED
    arranged = Layout(**layout)
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, color_system="standard" if color else None, highlight=False,
        legacy_windows=False,
    )  # fmt: skip
    console.print(Text(summary.title(profile), style="bold"))
    built = table.build(profile, arranged)
    if built.rows:
        parts = fitted(built, width, shrink=arranged.columns is None, barred=bars)
        for index, part in enumerate(parts):
            console.print(*([Text()] if index else []), part)
    for note in built.notes:
        console.print(Text(note))
    _print_totals(profile, console, arranged)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _print_totals(profile: Record, console: Console, layout: Layout) -> None:
    console.print()
    console.print(_grid([list(line) for line in summary.totals(profile, layout.convention)], numbers={1}))
    by_phase = summary.phases(profile)
    if _width(by_phase) > console.width:
        by_phase = summary.phases(profile, units.count)
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
            console.print(Padding(Text(note), (0, 0, 0, 2), expand=False))


def _width(rows: list[list[str]]) -> int:
    return sum(max(map(cell_len, column)) + _BETWEEN for column in zip(*rows, strict=True))


def _grid(rows: list[list[str]], *, numbers: set[int]) -> Table:
    grid = Table.grid(padding=(0, _BETWEEN))
    for index in range(len(rows[0])):
        grid.add_column(justify="right" if index in numbers else "left", no_wrap=index < 2)
    for row in rows:
        grid.add_row(*map(Text, row))
    return grid


VIEW = View("text", "a table for the terminal", render)
