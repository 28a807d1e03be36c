"""Tables as pandas prints a DataFrame of texts."""

from __future__ import annotations

from collections.abc import Sequence


def frame(rows: Sequence[Sequence[str]], headers: Sequence[str], index: Sequence[str]) -> str:
    """Columns to the right under their headers, at least two spaces apart; the index to the left."""
    columns = list(zip(*rows, strict=True))
    widths = [
        max(len(header), *(1 + len(cell) for cell in cells)) for header, cells in zip(headers, columns, strict=True)
    ]
    margin = max(map(len, index))
    lines = [
        " ".join([name.ljust(margin), *(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))])
        for name, cells in zip(("", *index), (headers, *rows), strict=True)
    ]
    return "\n".join(lines)
