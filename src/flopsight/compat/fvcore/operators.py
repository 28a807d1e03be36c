"""Operator calls as fvcore names them: the operators of a `torch.jit` trace, one level above those that are dispatched.

A trace shows `aten::linear` where the dispatcher sees a transposition and `aten::addmm`, `aten::matmul` where it sees
`aten::expand` and `aten::bmm`. The composite is told from the operators around the product and from the module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flopsight.calls import Operation
from flopsight.conventions import operators, rules
from flopsight.cost import ZERO
from flopsight.profiles import Profile

_TRACED = {
    "aten::convolution": "aten::_convolution",
    "aten::native_layer_norm": "aten::layer_norm",
    "aten::native_group_norm": "aten::group_norm",
    "aten::_adaptive_avg_pool2d": "aten::adaptive_avg_pool2d",
    "aten::_adaptive_avg_pool3d": "aten::adaptive_avg_pool3d",
    "aten::max_pool2d_with_indices": "aten::max_pool2d",
    "aten::max_pool3d_with_indices": "aten::max_pool3d",
    "aten::grid_sampler_2d": "aten::grid_sampler",
    "aten::grid_sampler_3d": "aten::grid_sampler",
    "aten::native_dropout": "aten::dropout",
    "aten::_softmax": "aten::softmax",
    "aten::_log_softmax": "aten::log_softmax",
    "aten::_prelu_kernel": "aten::prelu",
    "aten::mkldnn_rnn_layer": "aten::lstm",
    "aten::mv": "aten::matmul",
    "aten::dot": "aten::matmul",
    **dict.fromkeys(operators.BATCH_NORMS, "aten::batch_norm"),
}
_PRODUCTS = {"aten::mm", "aten::addmm", "aten::bmm"}
_TRANSPOSES = {"aten::t", "aten::numpy_T"}
_IGNORED = frozenset({
    "aten::__and__", "aten::arange", "aten::bitwise_not", "aten::clamp", "aten::clamp_", "aten::dropout", "aten::eq",
    "aten::floor", "aten::floor_divide", "aten::ge", "aten::gt", "aten::masked_fill", "aten::max", "aten::relu",
    "aten::relu_", "aten::remainder",
})  # fmt: skip
"""Operators that do some work, but none that fvcore would list as left out."""
_AROUND = 4
"""How many operators before a product are looked at."""


class Node(NamedTuple):
    """One operator call under the name that a trace gives it, and the index of its scope."""

    kind: str
    operation: Operation
    scope: int


def nodes(profile: Profile) -> Iterator[Node]:
    """Every operator call of the forward pass, in order."""
    calls = [(profile.operations[operation], scope) for operation, scope, phase in profile.calls if not phase]
    for index, (operation, scope) in enumerate(calls):
        path = profile.scopes[scope].path
        module = profile.modules[path].kind if path in profile.modules else ""
        if operation.name in _PRODUCTS:
            before = [other.name for other, _ in calls[max(index - _AROUND, 0) : index]]
            after = calls[index + 1][0].name if index + 1 < len(calls) else ""
            kind = _product(operation.name, module, before, after)
        else:
            kind = _kind(operation, module)
        yield Node(kind, operation, scope)


def _kind(operation: Operation, module: str) -> str:
    name = operation.name
    if name.startswith("aten::_scaled_dot_product"):
        return "aten::scaled_dot_product_attention"
    kind = _TRACED.get(name) or _TRACED.get(rules.kind(operation), name)
    if module.startswith("Dropout"):
        return "aten::dropout"
    if kind == "aten::batch_norm" and module.startswith("InstanceNorm"):
        return "aten::instance_norm"
    return kind


def _product(name: str, module: str, before: list[str], after: str) -> str:
    if module in ("Linear", "NonDynamicallyQuantizableLinear") or _TRANSPOSES & set(before[-2:]):
        return "aten::linear"
    if name == "aten::mm" or (name == "aten::bmm" and "aten::expand" in before):
        return "aten::matmul"
    if name == "aten::bmm" and "aten::permute" in before and after in ("aten::view", "aten::_unsafe_view"):
        return "aten::einsum"
    return name


def is_left_out(node: Node) -> bool:
    """Whether fvcore, having no handle for it, would list the operator as unsupported."""
    work = node.operation.cost
    return node.kind not in _IGNORED and (work is None or work != ZERO)
