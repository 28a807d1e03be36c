"""Memory over a run as a line to draw: points, the marks of both axes, and what it shows in words."""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import Any

from flopsight import units
from flopsight.analysis.memory import Memory
from flopsight.calls import PHASES
from flopsight.record import Record

_POINTS = 600
_MARKS = 4


def chart(profile: Record, memory: Memory) -> dict[str, Any] | None:
    """What the script draws: the most bytes in each of some equal stretches; None for a run without a call."""
    line = memory.timeline
    if not line:
        return None
    calls = len(line)
    width = min(_POINTS, calls)
    starts = [calls * index // width for index in range(width + 1)]
    highest = [max(line[start:end]) for start, end in pairwise(starts)]
    return {
        "calls": calls,
        "points": " ".join(map(str, highest)),
        "marks": [[mark, units.size(mark, 0)] for mark in _marks(memory.peak_bytes)],
        "ends": [units.exact(1), units.exact(calls)],
        "phases": _phases(profile),
        "peak": [memory.peak_bytes, memory.peak_call or 0, f"peak {units.size(memory.peak_bytes)}"],
        "words": _words(memory),
    }


def _marks(peak: int) -> list[int]:
    """Round numbers of bytes from 0 to the peak: 1, 2 or 5 times a power of 10, of its binary prefix."""
    prefix = 1
    while peak >= 1024 * prefix:
        prefix *= 1024
    step = prefix
    for scale in (1, 2, 5, 10, 20, 50, 100, 200, 500):
        step = scale * prefix
        if peak <= _MARKS * step:
            break
    return list(range(0, peak + 1, step))


def _phases(profile: Record) -> list[list[Any]]:
    """Stretches of calls of one phase, with the first call of each."""
    found = []
    first = 0
    for phase, calls in groupby(phase for _, _, phase in profile.calls):
        found.append([PHASES[phase], first])
        first += sum(1 for _ in calls)
    return found


def _words(memory: Memory) -> str:
    """The same as a sentence, for those who do not see the drawing."""
    line = memory.timeline
    peak = "before the first call" if memory.peak_call is None else f"during call {units.exact(memory.peak_call + 1)}"
    return (
        f"What lives after each of {units.exact(len(line))} operator calls: {units.size(line[0])} after the first, "
        f"{units.size(line[-1])} after the last; at the most {units.size(memory.peak_bytes)}, {peak}."
    )
