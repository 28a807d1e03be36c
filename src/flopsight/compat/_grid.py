"""Tables drawn with lines, as the library tabulate draws its format `grid`."""

from __future__ import annotations

from collections.abc import Sequence


def grid(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    """A table of texts. A column in which every text is a number is shown as numbers, aligned at the decimal point."""
    columns = [_column([row[i] for row in rows], header) for i, header in enumerate(headers)]
    widths = [len(column[0]) for column in columns]
    line = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    head, *body = ["| " + " | ".join(cells) + " |" for cells in zip(*columns, strict=True)]
    return "\n".join([line, head, line.replace("-", "="), *(text for row in body for text in (row, line))])


def _column(cells: list[str], header: str) -> list[str]:
    """The header and the cells, all of one width."""
    if cells and all(map(_is_number, cells)):
        numbers = [f"{float(cell):g}" for cell in cells]
        behind = [len(number.partition(".")[2]) + ("." in number) for number in numbers]
        cells = [number + " " * (max(behind) - n) for number, n in zip(numbers, behind, strict=True)]
        width = max(len(header) + 2, *map(len, cells))
        return [text.rjust(width) for text in (header, *cells)]
    width = max(len(header) + 2, *map(len, cells)) if cells else len(header) + 2
    return [text.ljust(width) for text in (header, *cells)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
