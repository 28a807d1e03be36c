"""Bytes over the run: what lives after each operator call, phase by phase."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from flopsight import units
from flopsight.analysis.memory import memory
from flopsight.calls import PHASES
from flopsight.record import Record
from flopsight.views.axes import PALETTE
from flopsight.views.plots._parts import AS_IS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICKS_BITS = 3
"""Between a quarter and an eighth of the peak is the distance of ticks: a power of two, so that it is a whole size."""


def draw(profile: Record, axes: Axes) -> None:
    """A curve with the peak marked, over the phases. Raises: InputError if memory was not followed."""
    from matplotlib.ticker import MultipleLocator

    found = memory(profile)
    axes.step(range(len(found.timeline)), found.timeline, where="post", color="black", linewidth=1)
    axes.fill_between(range(len(found.timeline)), found.timeline, step="post", color="0.85")
    phases = [phase for _, _, phase in profile.calls]
    start = 0
    named: set[int] = set()
    for phase, calls in groupby(phases):
        end = start + len(list(calls))
        label = None if phase in named else PHASES[phase]
        axes.axvspan(start, end, color=PALETTE[phase], alpha=0.25, linewidth=0, label=label)
        named.add(phase)
        start = end
    axes.axhline(found.peak_bytes, color="black", linestyle="--", linewidth=1)
    during = ", while a call ran" if found.peak_bytes > max(found.timeline, default=0) else ""
    axes.text(0, found.peak_bytes, f" peak: {units.size(found.peak_bytes)}{during}", va="bottom", **AS_IS)
    axes.set_ylim(0, found.peak_bytes * 1.15)
    axes.margins(x=0)
    axes.yaxis.set_major_locator(MultipleLocator(2 ** max(0, found.peak_bytes.bit_length() - _TICKS_BITS)))
    axes.yaxis.set_major_formatter(lambda nbytes, _: units.size(int(nbytes), 1))
    axes.set_xlabel("operator call")
    axes.set_ylabel("memory")
    axes.set_title(units.printable(f"Memory of {profile.model}"), **AS_IS)
    if len(named) > 1:
        axes.legend(loc="lower right")
