"""Losses.   x self · y target · w a weight · N samples · C classes · n elements

Each is an equation for an element or sample, then joined by `reduction`: a sum of n terms takes n - 1 additions, a mean
one division more.
"""

from __future__ import annotations

from typing import Any

from flopsight.cost import ZERO, Cost, TensorSpec, product
from flopsight.formulas.equation import work
from flopsight.formulas.parts import reduced
from flopsight.formulas.registry import Case, formula

NONE, MEAN, SUM = 0, 1, 2


def joined(terms: Cost, n: int, reduction: int) -> Cost:
    """`n` terms, joined by a reduction."""
    if reduction == NONE:
        return terms * n
    return terms * n + Cost(add=reduced(n, 1), divide=1 if reduction == MEAN else 0)


def _broadcast(x: TensorSpec, y: TensorSpec) -> int:
    """Number of elements of two tensors, broadcast to each other."""
    long, short = (x.shape, y.shape) if x.ndim >= y.ndim else (y.shape, x.shape)
    short = (1,) * (len(long) - len(short)) + short
    return product(b if isinstance(a, int) and a == 1 else a for a, b in zip(long, short, strict=True))


@formula("aten::mse_loss", case=Case({"self": (3, 4), "target": (3, 4)}, (), Cost(add=12 + 11, multiply=12, divide=1)))
def mse_loss(self: TensorSpec, target: TensorSpec, reduction: int = MEAN) -> Cost:
    """d = x - y; d * d"""
    return joined(work("d = x - y; d * d"), _broadcast(self, target), reduction)


@formula(
    "aten::smooth_l1_loss",
    case=Case(
        {"self": (3, 4), "target": (3, 4)},
        (),
        Cost(add=2 * 12 + 11, multiply=2 * 12, divide=12 + 1, compare=2 * 12),
    ),
)
def smooth_l1_loss(self: TensorSpec, target: TensorSpec, reduction: int = MEAN) -> Cost:
    """d = abs(x - y); 0.5 * d * d / beta if d < beta else d - half_beta"""
    terms = work("d = abs(x - y); 0.5 * d * d / beta if d < beta else d - half_beta")
    return joined(terms, _broadcast(self, target), reduction)


@formula(
    "aten::huber_loss",
    case=Case({"self": (3, 4), "target": (3, 4)}, (), Cost(add=2 * 12 + 11, multiply=3 * 12, compare=2 * 12, divide=1)),
)
def huber_loss(self: TensorSpec, target: TensorSpec, reduction: int = MEAN) -> Cost:
    """d = abs(x - y); 0.5 * d * d if d <= delta else delta * (d - half_delta)"""
    terms = work("d = abs(x - y); 0.5 * d * d if d <= delta else delta * (d - half_delta)")
    return joined(terms, _broadcast(self, target), reduction)


@formula(
    "aten::binary_cross_entropy",
    case=Case(
        {"self": (3, 4), "target": (3, 4)},
        (),
        Cost(add=3 * 12 + 11, multiply=2 * 12, special=2 * 12, compare=2 * 12, divide=1),
    ),
)
def binary_cross_entropy(self: TensorSpec, weight: Any = None, reduction: int = MEAN) -> Cost:
    """(y - 1) * max(log1p(-x), -100) - y * max(log(x), -100), times a weight where one is given"""
    terms = work("(y - 1) * max(log1p(-x), -100) - y * max(log(x), -100)")
    return joined(terms + Cost(multiply=0 if weight is None else 1), self.numel, reduction)


@formula(
    "aten::binary_cross_entropy_with_logits",
    case=Case(
        {"self": (3, 4), "target": (3, 4)},
        (),
        Cost(add=4 * 12 + 11, multiply=12, special=2 * 12, compare=2 * 12, divide=1),
    ),
)
def binary_cross_entropy_with_logits(
    self: TensorSpec, weight: Any = None, pos_weight: TensorSpec | None = None, reduction: int = MEAN
) -> Cost:
    """(1 - y) * x - v * (min(x, 0) - log1p(exp(-abs(x)))), times a weight where one is given

    v = (p - 1) * y + 1 for positive weights p, the subtraction once for each of them; without them it is left out.
    """
    terms = work("(1 - y) * x - (min(x, 0) - log1p(exp(-abs(x))))")
    terms += Cost(multiply=0 if weight is None else 1)
    if pos_weight is None:
        return joined(terms, self.numel, reduction)
    return joined(terms + work("v * (p * y + 1)"), self.numel, reduction) + Cost(add=pos_weight.numel)


@formula(
    "aten::soft_margin_loss",
    case=Case({"self": (3, 4), "target": (3, 4)}, (), Cost(add=12 + 11, multiply=12, special=2 * 12, divide=1)),
)
def soft_margin_loss(self: TensorSpec, reduction: int = MEAN) -> Cost:
    """log1p(exp(-y * x))"""
    return joined(work("log1p(exp(-y * x))"), self.numel, reduction)


@formula(
    "aten::nll_loss_forward",
    "aten::nll_loss2d_forward",
    case=Case(
        {"self": (3, 4), "target": (3,), "weight": (4,), "reduction": 1},
        ((), ()),
        Cost(multiply=3, add=3 + 2, divide=1),
    ),
)
def nll_loss(target: TensorSpec, weight: TensorSpec | None, reduction: int) -> Cost:
    """-w[y] * x[y] for each of N targets; a mean divides by the sum of w[y]

    Sums subtract each term from 0. Without weights there is no multiplication, and the sum of w[y] is N.
    """
    N = target.numel
    terms = Cost(add=N, multiply=0 if weight is None else N)
    if reduction == NONE:
        return terms
    total = ZERO if weight is None else Cost(add=reduced(N, 1))
    return terms + total + Cost(divide=1 if reduction == MEAN else 0)


def samples(x: TensorSpec) -> tuple[int, int]:
    """Samples N and classes C of a tensor (N, C), or (C,) for one sample, or () for one of one class."""
    return (x.shape[0], x.shape[1]) if x.ndim == 2 else (1, x.numel)


@formula(
    "aten::multi_margin_loss",
    case=Case({"self": (3, 4), "target": (3,)}, (), Cost(add=3 * (2 * 3 + 2) + 2, compare=3 * 3, divide=3 + 1)),
)
def multi_margin_loss(self: TensorSpec, p: float = 1, weight: TensorSpec | None = None, reduction: int = MEAN) -> Cost:
    """sum over j != y of w[y] * max(margin - x[y] + x[j], 0) ** p / C, for each of N samples; p is 1 or 2"""
    N, C = samples(self)
    terms = Cost(add=2, compare=1, multiply=(p == 2) + (weight is not None)) * reduced(C, 1)
    return joined(terms + Cost(add=reduced(reduced(C, 1), 1), divide=1), N, reduction)


@formula(
    "aten::multilabel_margin_loss_forward",
    case=Case(
        {"self": (3, 4), "target": (3, 4), "reduction": 1},
        ((), (3, 4)),
        Cost(add=3 * (2 * 16 + 15) + 2, compare=3 * 16, divide=3 + 1),
    ),
)
def multilabel_margin_loss(self: TensorSpec, reduction: int) -> Cost:
    """sum over labels i and others j of max(1 - x[i] + x[j], 0) / C, for each of N samples

    How many labels there are depends on values: all C*C pairs count.
    """
    N, C = samples(self)
    terms = Cost(add=2, compare=1) * (C * C)
    return joined(terms + Cost(add=reduced(C * C, 1), divide=1), N, reduction)
