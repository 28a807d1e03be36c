"""Mixture of experts: what there is and what a token uses.   T tokens · E experts · k of them a token · M = T*k rows"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from flopsight.calls import ModuleNode, Operation
from flopsight.cost import TensorSpec, product
from flopsight.record import Record

GROUPED = {
    "aten::_grouped_mm": ("self", "mat2"),
    "aten::_scaled_grouped_mm": ("self", "mat2"),
    "transformers::grouped_mm_fallback": ("input", "weight"),
}
"""Operators that multiply each row by the weight of its group, with the names of the rows and the weights."""


@dataclass(frozen=True)
class Experts:
    """Parameters and forward multiply-accumulates of a model with experts.

    params, macs: of all experts, as if every token went through each. active_params: those one token uses.
    active_macs: those that run. experts, used: E and k, of the layers that have the most experts.
    """

    params: int
    active_params: int
    macs: int
    active_macs: int
    experts: int
    used: int


def experts(profile: Record) -> Experts | None:
    """The experts of a profile, found by their grouped matrix products; None for a model without any.

    A layer's k is the rows of its product over the tokens its module was called with.
    """
    calls: Counter[tuple[Operation, str]] = Counter()
    for call in profile:
        if call.phase == "forward" and call.operation.name in GROUPED and call.operation.cost is not None:
            calls[call.operation, call.module] += 1
    layers: dict[str, tuple[int, int]] = {}
    idle_macs = 0
    for (operation, path), times in calls.items():
        layer = _shared(operation, profile.modules[path])
        if layer is not None and operation.cost is not None:
            layers[path] = layer
            count, used = layer
            idle_macs += times * operation.cost.macs * (count - used) // used
    if not layers:
        return None
    idle_params = sum(_idle(profile.modules[path], *layer) for path, layer in layers.items())
    total, active = int(profile.params), profile.total("macs", phase="forward")
    most, used = max(layers.values())
    return Experts(total, total - idle_params, active + idle_macs, active, most, used)


def _shared(operation: Operation, node: ModuleNode) -> tuple[int, int] | None:
    """E and k of one product, or None where the module's input does not tell them."""
    rows, weights = (operation.inputs.get(name) for name in GROUPED[operation.name])
    if not isinstance(rows, TensorSpec) or not isinstance(weights, TensorSpec) or weights.ndim != 3 or not node.inputs:
        return None
    tokens = product(node.inputs[0].shape[:-1])
    used, rest = divmod(rows.shape[0], tokens) if tokens else (0, 1)
    return (weights.shape[0], used) if not rest and 0 < used <= weights.shape[0] else None


def _idle(node: ModuleNode, count: int, used: int) -> int:
    """Elements of a layer's expert weights (one slice an expert) that a token does not use."""
    stacked = (p.spec for p in node.parameters if not p.buffer and p.spec.ndim >= 2 and p.spec.shape[0] == count)
    return sum(spec.numel // count * (count - used) for spec in stacked)
