"""Tables of words for the terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 10_000


def print_listing(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print rows under titles, wrapped to the terminal's width, or unwrapped in a pipe."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    if sys.stdout.isatty():
        Console(highlight=False).print(table)
        return
    stream = io.StringIO()
    Console(file=stream, width=_WIDE, highlight=False).print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())
