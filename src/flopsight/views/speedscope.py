"""A flame graph of modules and their operators for https://www.speedscope.app, one for each quantity.

The file is of the format's kind `sampled`: a sample is an operator call in the order they ran, its weight what the call
counts. Calls that follow one another in the same place are one sample, and those that count nothing are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from flopsight import conventions, units
from flopsight.calls import Operation
from flopsight.record import Record
from flopsight.views import View, columns, summary
from flopsight.views.stacks import Stack, module_name, stacks
from flopsight.views.table import Layout

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
_QUANTITIES = ("macs", "exact")

Weight = Callable[[Operation], int]


def render(profile: Record, **layout: Any) -> str:
    """The profile in speedscope's format: MACs, exact operations and bytes, and the convention of the layout first."""
    from flopsight import __version__

    convention = Layout(**layout).convention
    bound = f" ({summary.lower_bound(profile)})" if profile.unknown else ""
    ran, frames = list(stacks(profile)), _Frames(profile)
    made = [
        _profile(columns.of_convention(each).title + bound, "none", ran, _counted(each), frames)
        for each in dict.fromkeys([*([] if convention is None else [convention]), *_QUANTITIES])
    ]
    made.append(_profile("bytes read and written", "bytes", ran, lambda op: op.read_bytes + op.written_bytes, frames))
    file = {
        "$schema": _SCHEMA,
        "name": summary.title(profile),
        "exporter": f"flopsight@{__version__}",
        "activeProfileIndex": 0,
        "profiles": [each for each in made if each["weights"]] or made[:1],
        "shared": {"frames": frames.written},
    }
    return json.dumps(file, separators=(",", ":")) + "\n"


def _counted(convention: str | conventions.Convention) -> Weight:
    count = conventions.get(convention).count
    return lambda operation: 0 if operation.cost is None else count(operation)


class _Frames:
    """What a stack is made of, each thing once."""

    def __init__(self, profile: Record) -> None:
        self._profile = profile
        self._several = len({phase for _, _, phase in profile.calls}) > 1
        self._known: dict[tuple[str, str], int] = {}
        self.written: list[dict[str, str]] = []

    def of(self, stack: Stack) -> list[int]:
        """The frames of a call: its phase if there are several, the modules around it, its operator."""
        phase = [self._index("phase", stack.phase, stack.phase)] if self._several else []
        modules = [self._module(self._profile.scopes[index].path) for index in stack.scopes]
        return [*phase, *modules, self._index("operator", stack.operation.name, stack.operation.name)]

    def _module(self, path: str) -> int:
        return self._index("module", path, module_name(self._profile, path))

    def _index(self, kind: str, key: str, name: str) -> int:
        if (kind, key) not in self._known:
            self._known[kind, key] = len(self.written)
            where = {"file": units.printable(key)} if kind == "module" else {}
            self.written.append({"name": units.printable(name), **where})
        return self._known[kind, key]


def _profile(title: str, unit: str, ran: Iterable[Stack], weight: Weight, frames: _Frames) -> dict[str, Any]:
    samples: list[list[int]] = []
    weights: list[int] = []
    for stack in ran:
        if amount := weight(stack.operation):
            sample = frames.of(stack)
            if samples and samples[-1] == sample:
                weights[-1] += amount
            else:
                samples.append(sample)
                weights.append(amount)
    return {
        "type": "sampled", "name": title, "unit": unit, "startValue": 0, "endValue": sum(weights), "samples": samples,
        "weights": weights,
    }  # fmt: skip


VIEW = View("speedscope", "a flame graph of modules for speedscope.app", render)
