"""Bars: the modules that have the most, with none below them, by their whole paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flopsight.record import Record
from flopsight.views.plots._bars import bars
from flopsight.views.plots._parts import column
from flopsight.views.table import Layout, build

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 15


def draw(
    profile: Record, axes: Axes, *, quantity: str | None = None, depth: int | None = None, top: int = _MOST
) -> None:
    """A bar for each of the `top` modules with the most, the largest first, and one for the rest."""
    of = column(profile, quantity)
    rows = build(profile, Layout(top=top, sort=of.name, depth=depth)).rows
    bars(profile, axes, of, {row.label: [of.value(row)] for row in rows if of.value(row)})
