"""Horizontal bars with their names and amounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flopsight import units
from flopsight.record import Record
from flopsight.views.axes import PALETTE
from flopsight.views.columns import Column
from flopsight.views.plots._parts import AS_IS, REST, REST_COLOR, name, text, tick, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_ROOM = 1.5
"""For what is written behind the longest bar."""


def bars(
    profile: Record, axes: Axes, of: Column, parts: Mapping[str, Sequence[int]], kinds: Sequence[str] = ()
) -> None:
    """A bar for each part, the first on top, and one for what all of them leave of the whole.

    parts: amounts by name, several of which are drawn one after the other. kinds: what these are, as a legend.
    """
    from matplotlib.ticker import MaxNLocator

    total = whole(profile, of)
    names, amounts = list(parts), [sum(part) for part in parts.values()]
    before = [0] * len(names)
    for number in range(max((len(part) for part in parts.values()), default=0)):
        lengths = [part[number] for part in parts.values()]
        label = kinds[number] if number < len(kinds) else None
        axes.barh(range(len(names)), lengths, left=before, color=PALETTE[number], label=label)
        before = [start + length for start, length in zip(before, lengths, strict=True)]
    if (left := total - sum(amounts)) > 0:
        axes.barh([len(names)], [left], color=REST_COLOR)
        names, amounts = [*names, REST], [*amounts, left]
    for place, amount in enumerate(amounts):
        said = f" {text(of, amount)}, {units.share(amount, total)}"
        axes.text(amount, place, said, va="center", fontsize="small", **AS_IS)
    axes.set_yticks(range(len(names)), [units.shortened(units.printable(each)) for each in names], **AS_IS)
    axes.invert_yaxis()
    axes.set_xlim(0, _ROOM * max(amounts, default=0) or 1)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(lambda amount, _: tick(of, amount))
    axes.tick_params(labelsize="small")
    axes.set_xlabel(of.title, **AS_IS)
    axes.spines[["top", "right"]].set_visible(False)
    if len(kinds) > 1:
        axes.legend(loc="lower right")
    name(axes, profile, of)
