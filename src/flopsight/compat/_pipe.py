"""Tables in the form of `tabulate.tabulate(..., tablefmt="pipe")` that keeps the cells' white space."""

from __future__ import annotations

from collections.abc import Sequence

_HEADER_PADDING = 2


def _is_integer(cell: str) -> bool:
    try:
        int(cell)
    except ValueError:
        return False
    return True


def pipe_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text to the left, columns of integers to the right; an empty cell fits either."""
    columns = [[row[index] for row in rows] for index in range(len(headers))]
    widths = [
        max(len(header) + _HEADER_PADDING, *map(len, column)) for header, column in zip(headers, columns, strict=True)
    ]
    numeric = [any(column) and all(not cell or _is_integer(cell) for cell in column) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = "|".join(
        f"{'-' * (width + 1)}:" if right else f":{'-' * (width + 1)}"
        for width, right in zip(widths, numeric, strict=True)
    )
    return "\n".join([line(headers), f"|{rule}|", *map(line, rows)])
