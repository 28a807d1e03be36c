"""Gradients of losses.   g grad_output · x self · y target · w a weight · N samples · C classes

A mean's division by the number of terms is the plain number `norm`: one multiplication an element.
"""

from __future__ import annotations

from typing import Any

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.equation import work
from flopsight.formulas.loss.forward import MEAN, NONE, samples
from flopsight.formulas.parts import reduced
from flopsight.formulas.registry import Case, formula

FAMILY = "loss"


@formula(
    "aten::mse_loss_backward",
    case=Case({"grad_output": (), "self": (3, 4), "target": (3, 4)}, (3, 4), Cost(add=12, multiply=2 * 12)),
)
def mse_loss_backward(out: TensorSpec) -> Cost:
    """norm * (x - y) * g; norm is 2, for a mean 2 / n"""
    return work("norm * (x - y) * g") * out.numel


@formula(
    "aten::smooth_l1_loss_backward",
    case=Case({"self": (3, 4), "reduction": 1}, (3, 4), Cost(add=12, divide=12, compare=2 * 12, multiply=2 * 12)),
)
def smooth_l1_loss_backward(out: TensorSpec, reduction: int) -> Cost:
    """min(max((x - y) / beta, -1), 1) * g, for a mean times norm"""
    mean = " * norm" if reduction == MEAN else ""
    return work(f"min(max((x - y) / beta, -1), 1) * g{mean}") * out.numel


@formula(
    "aten::huber_loss_backward",
    case=Case({"self": (3, 4), "reduction": 2}, (3, 4), Cost(add=12, compare=2 * 12, multiply=12)),
)
def huber_loss_backward(out: TensorSpec, reduction: int) -> Cost:
    """min(max(x - y, -delta), delta) * g, for a mean times norm"""
    mean = " * norm" if reduction == MEAN else ""
    return work(f"min(max(x - y, low), delta) * g{mean}") * out.numel


@formula(
    "aten::binary_cross_entropy_backward",
    case=Case({"self": (3, 4), "reduction": 1}, (3, 4), Cost(add=2 * 12, multiply=3 * 12, divide=12, compare=12)),
)
def binary_cross_entropy_backward(self: TensorSpec, weight: Any = None, reduction: int = MEAN) -> Cost:
    """g * (x - y) / max((1 - x) * x, eps), times a weight where one is given, for a mean times norm"""
    factors = (" * w" if weight is not None else "") + (" * norm" if reduction == MEAN else "")
    return work(f"g * (x - y) / max((1 - x) * x, eps){factors}") * self.numel


@formula(
    "aten::soft_margin_loss_backward",
    case=Case({"self": (3, 4), "reduction": 2}, (3, 4), Cost(add=3 * 12, multiply=3 * 12, divide=12, special=12)),
)
def soft_margin_loss_backward(self: TensorSpec, reduction: int) -> Cost:
    """z = exp(-y * x); -y * z / (1 + z) * g, for a mean times norm"""
    mean = " * norm" if reduction == MEAN else ""
    return work(f"z = exp(-y * x); -y * z / (1 + z) * g{mean}") * self.numel


@formula(
    "aten::nll_loss_backward",
    "aten::nll_loss2d_backward",
    case=Case({"target": (3,), "weight": (4,), "reduction": 1}, (3, 4), Cost(add=1, divide=1, multiply=3)),
)
def nll_loss_backward(target: TensorSpec, weight: TensorSpec | None, reduction: int) -> Cost:
    """-g * w[y] at position y of each of N targets, elsewhere 0; for a mean over the sum of w[y]

    Where the targets are joined, g is one number: it is negated and divided once.
    """
    N = target.numel
    once = Cost(add=N if reduction == NONE else 1, divide=1 if reduction == MEAN else 0)
    return once + Cost(multiply=0 if weight is None else N)


@formula(
    "aten::multi_margin_loss_backward",
    case=Case(
        {"self": (3, 4), "p": 2},
        (3, 4),
        Cost(add=3 * 3 * 3, compare=3 * 3, multiply=3 * 3 + 3 * 4),
    ),
)
def multi_margin_loss_backward(self: TensorSpec, p: float, weight: TensorSpec | None = None) -> Cost:
    """z = margin - x[y] + x[j]; d[j] = c * w[y] * p * z ** (p - 1) if z > 0 else 0; d[y] = -sum of d[j]; g * d

    c is 1 / C, for a mean 1 / (C * N), and p * c one plain number; p is 1 or 2. Of N samples, each has C - 1 j != y.
    """
    N, C = samples(self)
    pairs = Cost(add=3, compare=1, multiply=(p == 2) + (weight is not None)) * reduced(C, 1)
    return (pairs + Cost(multiply=C)) * N


@formula(
    "aten::multilabel_margin_loss_backward",
    case=Case({"self": (3, 4)}, (3, 4), Cost(add=3 * 16 * 4, compare=3 * 16, multiply=3 * 4)),
)
def multilabel_margin_loss_backward(self: TensorSpec) -> Cost:
    """c if 1 - x[i] + x[j] > 0 else 0, added at j and subtracted at i, for labels i and others j; times g

    How many labels there are depends on values: all C*C pairs of each of N samples count. c is 1 / C, for a mean
    1 / (C * N).
    """
    N, C = samples(self)
    return (Cost(add=4, compare=1) * (C * C) + Cost(multiply=C)) * N
