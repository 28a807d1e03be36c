"""The rows of the tools' tables: one for each layer, and one for work that runs in no layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from flopsight.calls import Operation
from flopsight.cost import TensorSpec
from flopsight.profiles import Profile
from flopsight.record import Tally

OUTSIDE = "(functional)"
"""Stands for operators that a module with children runs itself: `F.relu(self.conv(x))`, `q @ k`."""


class Layer(NamedTuple):
    """A module without children and its operator calls, or what runs in a module outside of its children."""

    path: str
    kind: str
    params: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    tally: Tally


def sizes(specs: tuple[TensorSpec, ...]) -> tuple[int, ...]:
    """Sizes of the first of some tensors, without the batch."""
    return specs[0].shape[1:] if specs else ()


def layers(profile: Profile, *conventions: str) -> Iterator[Layer]:
    """All layers in the model's order; work outside of layers where it counts under one of the conventions."""
    own: dict[str, Counter[Operation]] = {path: Counter() for path in profile.modules}
    for call in profile:
        own[call.module][call.operation] += 1
    parents = {path.rpartition(".")[0] for path in profile.modules if path}
    for path, node in profile.modules.items():
        tally = Tally(own[path])
        params = sum(record.spec.numel for record in node.parameters if not record.buffer)
        if path not in parents:
            yield Layer(path, node.kind, params, node.inputs, node.outputs, tally)
        elif params or any(map(tally.total, conventions)):
            yield Layer(f"{path}.{OUTSIDE}" if path else OUTSIDE, OUTSIDE, params, (), (), tally)
