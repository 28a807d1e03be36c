"""What rich draws, as plain lines."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType

_WIDE = 10_000  # a column to each thing: the terminal wraps, the table does not


def lines(*parts: RenderableType) -> list[str]:
    """The lines of tables and texts without colour, as wide as they need."""
    stream = io.StringIO()
    console = Console(file=stream, width=_WIDE, color_system=None)
    for part in parts:
        console.print(part)
    return [line.rstrip() for line in stream.getvalue().splitlines()]
