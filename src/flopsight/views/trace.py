"""A timeline of module calls in Chrome's trace event format, which https://ui.perfetto.dev and `chrome://tracing` show.

The axis is no time that was measured. Without a device a nanosecond on it is one exact operation, or a power of 1000 of
them in a large run; the name of the process says so. With the time at best on a device, it is that time. What takes
none of the axis is left out, but operators whose cost is unknown are moments on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from flopsight import units
from flopsight.analysis.roofline import Roofline, timeline
from flopsight.calls import ancestors
from flopsight.record import Record
from flopsight.views import View, summary
from flopsight.views.stacks import module_name, stacks

_LONGEST_NS = 10**15
"""Such a run in microseconds still has its nanoseconds as a number of floating point."""

_NS_PER_US = 1000
_NS_PER_S = 10**9
_THREAD = {"pid": 1, "tid": 1}


class _Frame(NamedTuple):
    """A phase, a call of a module, or one of an operator. key: tells it from others in the same place."""

    kind: str
    key: Any
    name: str
    args: Mapping[str, Any]


class _Slice(NamedTuple):
    """An operator call: what is around it, and it last; where on the axis it ends; what it counts."""

    frames: list[_Frame]
    until_ns: float
    counts: dict[str, int]


def render(profile: Record, *, roofline: Roofline | None = None, **layout: Any) -> str:
    """The profile as trace events. roofline: the time at best, to be the axis; a layout changes nothing."""
    if roofline is None:
        axis, slices = _by_operations(profile)
    else:
        device = roofline.device.title or roofline.device.name
        axis, slices = f"least time on {device}, not measured", _by_time(roofline)
    about = {"name": "process_name", "ph": "M", **_THREAD, "args": {"name": f"{summary.title(profile)}; axis: {axis}"}}
    file = {
        "displayTimeUnit": "ns",
        "otherData": {"model": units.printable(profile.model), "axis": axis},
        "traceEvents": [about, *_events(slices)],
    }
    return json.dumps(file, separators=(",", ":")) + "\n"


def _by_operations(profile: Record) -> tuple[str, Iterator[_Slice]]:
    """What the axis is, and the calls on it."""
    operations_per_ns = 1
    while profile.tally().cost.exact > operations_per_ns * _LONGEST_NS:
        operations_per_ns *= 1000

    def slices() -> Iterator[_Slice]:
        done = 0
        for number, (phase, scopes, operation) in enumerate(stacks(profile)):
            frames = [_Frame("phase", phase, phase, {})]
            frames += [_module(profile, profile.scopes[index].path, index) for index in scopes]
            cost = operation.cost
            if cost is None:
                where = {"module": units.printable(profile.scopes[scopes[-1]].path)}
                unknown = _Frame("unknown", number, units.printable(f"{operation.name}: cost unknown"), where)
                yield _Slice([*frames, unknown], done / operations_per_ns, {})
            elif cost.exact:
                done += cost.exact
                ran = _Frame("operator", number, units.printable(operation.name), {})
                counts = {"exact operations": cost.exact, "MACs": cost.macs}
                yield _Slice([*frames, ran], done / operations_per_ns, counts)

    each = "1 exact operation" if operations_per_ns == 1 else f"{units.exact(operations_per_ns)} exact operations"
    return f"1 ns is {each}, no time", slices()


def _by_time(roofline: Roofline) -> Iterator[_Slice]:
    done_s = 0.0
    for number, work in enumerate(timeline(roofline)):
        done_s += work.least_s
        paths = [path for path in ancestors(work.module) if path in roofline.record.modules]
        frames = [_module(roofline.record, path, path) for path in reversed(paths)]
        ran = _Frame("operator", number, units.printable(work.operator), {"waits for": work.bound})
        counts = {"operations": work.operations, "bytes": work.nbytes}
        yield _Slice([_Frame("phase", work.phase, work.phase, {}), *frames, ran], done_s * _NS_PER_S, counts)


def _module(profile: Record, path: str, key: Any) -> _Frame:
    name = units.printable(module_name(profile, path))
    return _Frame("module", key, name, {"module": units.printable(path)})


def _events(slices: Iterable[_Slice]) -> list[dict[str, Any]]:
    """The beginning and the end of each call that takes some of the axis; a moment for each whose cost is unknown."""
    timeline = _Timeline()
    for frames, until_ns, counts in slices:
        timeline.run(frames, until_ns, counts)
    timeline.close(0)
    return [event for event in timeline.events if event]


class _Timeline:
    """Events as they are written. An event that turns out to take nothing is emptied."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._open: list[tuple[_Frame, dict[str, Any]]] = []
        self._now_us = 0.0

    def run(self, frames: Sequence[_Frame], until_ns: float, counts: Mapping[str, int]) -> None:
        """Leave the calls that are not around this one, enter those that are, and go on to its end."""
        same = 0
        while same < min(len(self._open), len(frames)) and self._open[same][0][:2] == frames[same][:2]:
            same += 1
        self.close(same)
        for frame in frames[same:]:
            self._begin(frame)
        for _, event in self._open:
            for name, count in counts.items():
                event["args"][name] = event["args"].get(name, 0) + count
        self._now_us = until_ns / _NS_PER_US

    def _begin(self, frame: _Frame) -> None:
        phase = {"ph": "i", "s": "t"} if frame.kind == "unknown" else {"ph": "B"}
        event = {"name": frame.name, "cat": frame.kind, **phase, "ts": self._now_us, **_THREAD, "args": {**frame.args}}
        self.events.append(event)
        self._open.append((frame, event))

    def close(self, kept: int) -> None:
        """Leave all calls but so many of the outermost."""
        while len(self._open) > kept:
            frame, event = self._open.pop()
            if event["ph"] == "B" and event["ts"] == self._now_us:
                event.clear()
            elif event["ph"] == "B":
                self.events.append({"name": frame.name, "ph": "E", "ts": self._now_us, **_THREAD})


VIEW = View("trace", "a timeline of module calls for Perfetto and chrome://tracing", render)
