"""Arithmetic of elements.   x self · y other · c a plain number

Counts are per element of the result, so that broadcasting is taken into account. Comparisons and rounding are in
`comparison`, elementary functions in `elementary`; all are of the family `pointwise`.
"""

from __future__ import annotations

from typing import Any

from flopsight.cost import ZERO, Cost
from flopsight.formulas.equation import each, elementwise, times
from flopsight.formulas.registry import Case, formula

FAMILY = "pointwise"

elementwise(
    FAMILY,
    {
        "x + y": "prims::add",
        "x - y": "prims::sub",
        "x * y": "mul _foreach_mul prims::mul",
        "x / y": "_foreach_div prims::div",
        "floor(x / y)": "floor_divide",
        "x % y": "fmod remainder prims::fmod prims::remainder",
        "-x": "neg _foreach_neg prims::neg",
        "1 / x": "reciprocal _foreach_reciprocal prims::reciprocal",
        "c * x": "rad2deg deg2rad",
        "x * exp2(y)": "ldexp",
        "sqrt(x * x + y * y)": "hypot prims::hypot",
        "pow(x, y)": "prims::pow",
        "conj(x)": "_conj_physical conj_physical prims::conj_physical",
    },
)
elementwise(FAMILY, {"(r * cos(t), r * sin(t))": "polar"}, r="abs", t="angle")


@formula(
    "aten::add",
    "aten::_foreach_add",
    case=Case({"self": (3, 4), "other": (4,), "alpha": 2}, (3, 4), Cost(add=12, multiply=12)),
)
def add(self: Any, other: Any = None, alpha: complex = 1, out: Any = None) -> Cost:
    """x + alpha * y, where an alpha of 1 needs no multiplication"""
    return each(f"x + {times(alpha, 'y')}", out, x=self, y=other)


@formula("aten::sub", "aten::_foreach_sub", case=Case({"self": (3, 4), "other": (4,)}, (3, 4), Cost(add=12)))
def sub(self: Any, other: Any = None, alpha: complex = 1, out: Any = None) -> Cost:
    """x - alpha * y, where an alpha of 1 needs no multiplication"""
    return each(f"x - {times(alpha, 'y')}", out, x=self, y=other)


@formula("aten::rsub", case=Case({"self": (3, 4), "other": 1, "alpha": 3}, (3, 4), Cost(add=12, multiply=12)))
def rsub(self: Any, other: Any, alpha: complex = 1, out: Any = None) -> Cost:
    """y - alpha * x, where an alpha of 1 needs no multiplication"""
    return each(f"y - {times(alpha, 'x')}", out, x=self, y=other)


@formula("aten::_add_relu", case=Case({"self": (3, 4), "other": (3, 4)}, (3, 4), Cost(add=12, compare=12)))
def add_relu(self: Any, other: Any, alpha: complex = 1, out: Any = None) -> Cost:
    """max(x + alpha * y, 0), where an alpha of 1 needs no multiplication"""
    return each(f"max(x + {times(alpha, 'y')}, 0)", out, x=self, y=other)


@formula(
    "aten::div",
    case=Case({"self": (3, 4), "other": (4,), "rounding_mode": "floor"}, (3, 4), Cost(divide=12, compare=12)),
)
def div(self: Any, other: Any, rounding_mode: str | None = None, out: Any = None) -> Cost:
    """x / y, rounded (a compare) where a rounding mode is given"""
    return each("x / y" if rounding_mode is None else "floor(x / y)", out, x=self, y=other)


@formula("aten::pow", case=Case({"self": (3, 4), "exponent": 2}, (3, 4), Cost(multiply=12)))
def pow(self: Any, exponent: Any, out: Any = None) -> Cost:
    """x ** y; an exponent of 2 is x * x"""
    return each(_power(exponent), out, x=self, y=exponent)


@formula(
    "aten::_foreach_pow",
    case=Case({"self": ((3, 4), (5,)), "exponent": [2, 0.5]}, ((3, 4), (5,)), Cost(multiply=3 * 4, special=5)),
)
def foreach_pow(self: Any, exponent: Any, out: Any = None) -> Cost:
    """x ** y for each tensor of a list; an exponent of 2 is x * x"""
    if not isinstance(exponent, (tuple, list)):
        return each(_power(exponent), out, x=self, y=exponent)
    results = out or self
    bases = self if isinstance(self, (tuple, list)) else [self] * len(exponent)
    powers = zip(results, bases, exponent, strict=True)
    return sum((each(_power(y), result, x=x, y=y) for result, x, y in powers), ZERO)


def _power(exponent: Any) -> str:
    return "x * x" if isinstance(exponent, (int, float)) and exponent == 2 else "pow(x, y)"


@formula(
    "aten::addcmul",
    case=Case({"self": (3, 4), "tensor1": (3, 1), "tensor2": (4,), "value": 2}, (3, 4), Cost(multiply=2 * 12, add=12)),
)
def addcmul(self: Any, tensor1: Any, tensor2: Any, value: complex = 1, out: Any = None) -> Cost:
    """x + value * a * b, where a value of 1 needs no multiplication"""
    return each(f"x + {times(value, 'a')} * b", out, x=self, a=tensor1, b=tensor2)


@formula(
    "aten::addcdiv",
    case=Case({"self": (3, 4), "tensor1": (3, 1), "tensor2": (4,)}, (3, 4), Cost(divide=12, add=12)),
)
def addcdiv(self: Any, tensor1: Any, tensor2: Any, value: complex = 1, out: Any = None) -> Cost:
    """x + value * a / b, where a value of 1 needs no multiplication"""
    return each(f"x + {times(value, 'a')} / b", out, x=self, a=tensor1, b=tensor2)


def _foreach_add_product(operation: str, self: Any, tensor1: Any, tensor2: Any, factors: Any, out: Any) -> Cost:
    """x + c * (a `operation` b) for each tensor of a list, with one plain factor, a list of them, or a tensor."""
    each_factor = factors if isinstance(factors, (tuple, list)) else [factors] * len(self)
    rows = zip(out or self, self, tensor1, tensor2, each_factor, strict=True)
    return sum((each(f"x + {times(c, 'a')} {operation} b", o, x=x, a=a, b=b) for o, x, a, b, c in rows), ZERO)


@formula(
    "aten::_foreach_addcmul",
    case=Case(
        {"self": ((3,),), "tensor1": ((3,),), "tensor2": ((3,),), "value": 2}, ((3,),), Cost(multiply=2 * 3, add=3)
    ),
)
def foreach_addcmul(
    self: Any, tensor1: Any, tensor2: Any, value: complex = 1, scalars: Any = None, out: Any = None
) -> Cost:
    """x + value * a * b for each tensor of a list, where a value of 1 needs no multiplication"""
    return _foreach_add_product("*", self, tensor1, tensor2, value if scalars is None else scalars, out)


@formula(
    "aten::_foreach_addcdiv",
    case=Case({"self": ((3,),), "tensor1": ((3,),), "tensor2": ((3,),)}, ((3,),), Cost(divide=3, add=3)),
)
def foreach_addcdiv(
    self: Any, tensor1: Any, tensor2: Any, value: complex = 1, scalars: Any = None, out: Any = None
) -> Cost:
    """x + value * a / b for each tensor of a list, where a value of 1 needs no multiplication"""
    return _foreach_add_product("/", self, tensor1, tensor2, value if scalars is None else scalars, out)


@formula(
    "aten::lerp",
    "aten::_foreach_lerp",
    case=Case({"self": (3, 4), "end": (3, 4), "weight": 0.5}, (3, 4), Cost(add=2 * 12, multiply=12)),
)
def lerp(
    self: Any, end: Any = None, weight: Any = None, tensors1: Any = None, weights: Any = None, out: Any = None
) -> Cost:
    """x + w * (e - x)"""
    ends, factors = tensors1 if end is None else end, weights if weight is None else weight
    return each("x + w * (e - x)", out, x=self, e=ends, w=factors)


@formula("aten::mvlgamma", case=Case({"self": (3,), "p": 2}, (3,), Cost(special=2 * 3, add=4 * 3)))
def mvlgamma(self: Any, p: int, out: Any = None) -> Cost:
    """c + sum over j < p of lgamma(x + c_j)"""
    return each("c + " + " + ".join(["lgamma(x + c)"] * p), out, x=self)
