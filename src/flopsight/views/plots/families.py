"""Bars: what each family of operators has, in each phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flopsight.calls import PHASES
from flopsight.errors import InputError
from flopsight.record import Record, Tally
from flopsight.views.columns import Row
from flopsight.views.plots._bars import bars
from flopsight.views.plots._parts import column

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OF_MODULES = ("params", "trainable", "buffers")
_MOST = 15


def draw(profile: Record, axes: Axes, *, quantity: str | None = None, top: int = _MOST) -> None:
    """A bar for each of the `top` families with the most, the largest first, and one for the rest."""
    if quantity in _OF_MODULES:
        raise InputError(f"Operators hold no {quantity}; draw 'macs', 'exact' or 'bytes' by families.")
    of = column(profile, quantity)
    ran = {phase: groups for phase in PHASES if (groups := profile.by_family(phase=phase))}

    def amounts(family: str) -> list[int]:
        return [of.value(Row("", "", groups.get(family, Tally({})))) for groups in ran.values()]

    parts = {family: amounts(family) for family in profile.by_family()}
    largest = sorted((family for family in parts if sum(parts[family])), key=lambda family: -sum(parts[family]))
    bars(profile, axes, of, {family: parts[family] for family in largest[:top]}, list(ran))
