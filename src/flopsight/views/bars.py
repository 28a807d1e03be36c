"""Bars beside shares, and which rows have the most: what leads the eye in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.views.columns import Row

MARK = "◂"
"""Stands behind the bar of a row that has the most."""

_EIGHTHS = "▏▎▍▌▋▊▉█"
_MARKED = 3


def bar(percent: float, width: int) -> str:
    """A bar for a share of the whole, which would be `width` long: `bar(25, 8)` is `'██'`."""
    eighths = round(len(_EIGHTHS) * width * min(max(percent, 0), 100) / 100)
    whole, rest = divmod(eighths, len(_EIGHTHS))
    return _EIGHTHS[-1] * whole + (_EIGHTHS[rest - 1] if rest else "")


def last(rows: Sequence[Row]) -> list[int]:
    """The rows that have none below them, by index: what they count is in no other of them."""
    after = [row.depth for row in rows[1:]] + [0]
    return [index for index, (row, depth) in enumerate(zip(rows, after, strict=True)) if depth <= row.depth]


def leading(rows: Sequence[Row], percents: Sequence[float]) -> set[int]:
    """Those of `last` with the greatest shares, by index: three, or fewer where the next has as much."""
    order = sorted((index for index in last(rows) if percents[index]), key=lambda index: -percents[index])
    shares = [percents[index] for index in order]
    stand_out = (count for count in range(min(_MARKED, len(order) - 1), 0, -1) if shares[count - 1] > shares[count])
    return set(order[: next(stand_out, 0)])
