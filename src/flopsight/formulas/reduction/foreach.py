"""Operators on lists of tensors that are more than one element-wise operation for each of them.

The element-wise ones stand beside those for one tensor: `_foreach_exp` in `elementary`, `_foreach_add` in `pointwise`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flopsight.cost import ZERO, Cost, TensorSpec
from flopsight.formulas.equation import work
from flopsight.formulas.parts import products, reduced
from flopsight.formulas.registry import Case, formula

Tensors = Sequence[TensorSpec]


def _powers(x: TensorSpec, order: float) -> Cost:
    """The sum of abs(x) ** order, or for infinity the largest abs(x); for 0 the number of elements that are not 0."""
    names, joins = frozenset("x" if x.is_complex else ""), reduced(x.numel, 1)
    if math.isinf(order):
        return work("abs(x)", names) * x.numel + Cost(compare=joins)
    if order == 2:
        terms = 2 if x.is_complex else 1
        return Cost(multiply=terms * x.numel, add=reduced(terms * x.numel, 1))
    term = "x != 0" if order == 0 else "abs(x)" if order == 1 else "pow(abs(x), order)"
    return work(term, names) * x.numel + Cost(add=joins)


@formula(
    "aten::_foreach_norm",
    case=Case({"self": ((3, 4), (5,))}, ((), ()), Cost(multiply=12 + 5, add=11 + 4, special=2)),
)
def foreach_norm(self: Tensors, ord: float = 2) -> Cost:
    """sum(abs(x) ** order) ** (1 / order) for each tensor; of order 2, sqrt(sum(x * x)); of infinity, max(abs(x))

    The orders 0, 1 and infinity take no root.
    """
    root = 0 if ord in (0, 1) or math.isinf(ord) else 1
    return sum((_powers(x, ord) for x in self), ZERO) + Cost(special=root * len(self))


@formula(
    "aten::_foreach_powsum",
    case=Case({"self": ((3, 4),)}, ((),), Cost(multiply=12, add=11)),
)
def foreach_powsum(self: Tensors, ord: float = 2) -> Cost:
    """sum(abs(x) ** order) for each tensor; of order 2, sum(x * x)"""
    return sum((_powers(x, ord) for x in self), ZERO)


@formula("aten::_foreach_max", case=Case({"self": ((3, 4), (5,))}, ((), ()), Cost(compare=11 + 4)))
def foreach_max(self: Tensors) -> Cost:
    """max(x) for each tensor"""
    return Cost(compare=sum(reduced(x.numel, 1) for x in self))


@formula(
    "aten::_foreach_mm",
    family="contraction",
    case=Case({"self": ((2, 3),), "mat2": ((3, 4),)}, ((2, 4),), Cost(macs=2 * 4 * 3, results=2 * 4)),
)
def foreach_mm(self: Tensors, mat2: Any) -> Cost:
    """x[i] @ y[i] for each pair: M*N results, each a dot product of length K"""
    pairs = zip(self, mat2, strict=True)
    return sum((products(x, outputs=x.shape[0] * y.shape[1], length=x.shape[1]) for x, y in pairs), ZERO)
