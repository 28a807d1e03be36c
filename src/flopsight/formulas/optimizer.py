"""Fused optimizer steps.   p parameter · g gradient · m, v averages · n elements of all parameters · t step

What is done once for each parameter tensor (bias corrections, from the step) counts as well. Options that are off need
no work: weight decay, momentum, maximize, a gradient scale. Whether a step is skipped (found_inf) depends on values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.equation import work
from flopsight.formulas.registry import Case, formula

Tensors = Sequence[TensorSpec]


def _elements(tensors: Tensors) -> int:
    return sum(tensor.numel for tensor in tensors)


def _gradient(grad_scale: Any, maximize: bool, decay: bool) -> Cost:
    """g / scale, -g and g + decay * p, each where it is asked for."""
    return Cost(divide=1 if grad_scale is not None else 0, add=maximize + decay, multiply=decay)


def _adam(tensors: Tensors, *, amsgrad: bool, maximize: bool, weight_decay: float, grad_scale: Any) -> Cost:
    averages = work("(b1 * m + a1 * g, b2 * v + a2 * g * g)") + Cost(compare=amsgrad)
    update = work("p - step * m / (sqrt(v) / root + eps)")
    corrections = work("(rate / (1 - pow(b1, t)), sqrt(1 - pow(b2, t)))")
    each = _gradient(grad_scale, maximize, weight_decay != 0) + averages + update
    return each * _elements(tensors) + corrections * len(tensors)


_ADAM_OPTIONS = {"amsgrad": False, "maximize": False, "weight_decay": 0.0}


@formula(
    "aten::_fused_adam",
    case=Case(
        {"self": ((3, 4), (5,)), **_ADAM_OPTIONS},
        None,
        Cost(multiply=6, add=4, special=1, divide=2) * (3 * 4 + 5) + Cost(add=2, special=3, divide=1) * 2,
    ),
)
def fused_adam(self: Tensors, amsgrad: bool, maximize: bool, weight_decay: float, grad_scale: Any = None) -> Cost:
    """m = b1 * m + (1 - b1) * g; v = b2 * v + (1 - b2) * g * g; p - step * m / (sqrt(v) / root + eps)

    step = rate / (1 - b1 ** t) and root = sqrt(1 - b2 ** t) once for each tensor. Before: g / scale, -g, g + decay * p,
    and in between max(v, highest) for amsgrad, where they are asked for.
    """
    return _adam(self, amsgrad=amsgrad, maximize=maximize, weight_decay=weight_decay, grad_scale=grad_scale)


@formula(
    "aten::_fused_adamw",
    case=Case(
        {"self": ((3, 4),), **_ADAM_OPTIONS, "weight_decay": 0.1},
        None,
        Cost(multiply=7, add=5, special=1, divide=2) * (3 * 4) + Cost(add=2, special=3, divide=1),
    ),
)
def fused_adamw(self: Tensors, amsgrad: bool, maximize: bool, weight_decay: float, grad_scale: Any = None) -> Cost:
    """p = p - c * p with c = rate * decay; then as `_fused_adam` without decay

    The decay takes as many operations as that of Adam, which adds it to the gradient.
    """
    return _adam(self, amsgrad=amsgrad, maximize=maximize, weight_decay=weight_decay, grad_scale=grad_scale)


_SGD_OPTIONS = {
    "weight_decay": 0.0, "momentum": 0.9, "dampening": 0.0,
    "nesterov": False, "maximize": False, "is_first_step": False,
}  # fmt: skip


@formula(
    "aten::_fused_sgd",
    case=Case({"self": ((3, 4), (5,)), **_SGD_OPTIONS}, None, Cost(multiply=2, add=2) * (3 * 4 + 5)),
)
def fused_sgd(
    self: Tensors, weight_decay: float, momentum: float, dampening: float, nesterov: bool, maximize: bool,
    is_first_step: bool, grad_scale: Any = None,
) -> Cost:  # fmt: skip
    """b = momentum * b + (1 - dampening) * g; p - rate * b, or with nesterov p - rate * (g + momentum * b)

    A dampening of 0 is left out; b = g on the first step, and without momentum. Before: g / scale, -g, g + decay * p.
    """
    each = _gradient(grad_scale, maximize, weight_decay != 0) + work("p - rate * g")
    if momentum:
        if not is_first_step:
            each += work("momentum * b + g" if dampening == 0 else "momentum * b + c * g")
        if nesterov:
            each += work("g + momentum * b")
    return each * _elements(self)


@formula(
    "aten::_fused_adagrad",
    case=Case(
        {"self": ((3, 4),), "weight_decay": 0.0, "maximize": False},
        None,
        Cost(multiply=2, add=3, special=1, divide=1) * (3 * 4) + Cost(add=2, multiply=1, divide=1),
    ),
)
def fused_adagrad(self: Tensors, weight_decay: float, maximize: bool, grad_scale: Any = None) -> Cost:
    """s = s + g * g; p - c * g / (sqrt(s) + eps), with c = rate / (1 + (t - 1) * rate_decay) once for each tensor"""
    each = _gradient(grad_scale, maximize, weight_decay != 0) + work("s = r + g * g; p - c * g / (sqrt(s) + eps)")
    return each * _elements(self) + work("rate / (1 + (t - 1) * rate_decay)") * len(self)


@formula(
    "aten::_amp_foreach_non_finite_check_and_unscale",
    case=Case({"self": ((3, 4), (5,))}, None, Cost(compare=3 * 4 + 5, multiply=3 * 4 + 5)),
)
def amp_unscale(self: Tensors) -> Cost:
    """isfinite(g) and g * inverse_scale, for each gradient element"""
    return Cost(compare=1, multiply=1) * _elements(self)


@formula("aten::_amp_update_scale", case=Case({"self": ()}, ((), ()), Cost(compare=2, multiply=2, add=1)))
def amp_update_scale() -> Cost:
    """s * backoff if found else (s * growth if steps + 1 == interval else s)"""
    return work("s * backoff if found else (s * growth if steps + 1 == interval else s)")
