"""Comparing, selecting, rounding and bits, element by element: one compare each.   x self · y other"""

from __future__ import annotations

from typing import Any

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.equation import each, elementwise
from flopsight.formulas.parts import reduced
from flopsight.formulas.registry import Case, formula

FAMILY = "pointwise"

elementwise(
    FAMILY,
    {
        "x == y": "eq prims::eq",
        "x != y": "ne prims::ne",
        "x < y": "lt prims::lt",
        "x <= y": "le prims::le",
        "x > y": "gt prims::gt",
        "x >= y": "ge prims::ge",
        "max(x, y)": "maximum fmax _foreach_maximum prims::maximum prims::fmax",
        "min(x, y)": "minimum fmin _foreach_minimum prims::minimum prims::fmin",
        "max(x, low)": "clamp_min _foreach_clamp_min",
        "min(x, high)": "clamp_max _foreach_clamp_max",
    },
)
elementwise(
    FAMILY,
    {
        "x & y": "bitwise_and prims::bitwise_and",
        "x | y": "bitwise_or prims::bitwise_or",
        "x ^ y": "bitwise_xor logical_xor prims::bitwise_xor",
        "~x": "bitwise_not prims::bitwise_not",
        "x << y": "bitwise_left_shift __lshift__ __ilshift__ prims::shift_left",
        "x >> y": "bitwise_right_shift __rshift__ __irshift__ prims::shift_right_arithmetic",
        "x and y": "logical_and",
        "x or y": "logical_or",
        "not x": "logical_not",
    },
)
elementwise(
    FAMILY,
    {
        "abs(x)": "abs _foreach_abs prims::abs",
        "sign(x)": "sign sgn _foreach_sign prims::sign",
        "ceil(x)": "ceil _foreach_ceil prims::ceil",
        "floor(x)": "floor _foreach_floor prims::floor",
        "round(x)": "_foreach_round prims::round",
        "trunc(x)": "trunc _foreach_trunc prims::trunc",
        "x - trunc(x)": "frac _foreach_frac",
        "angle(x)": "angle",
        "copysign(x, y)": "copysign",
        "isnan(x)": "isnan",
        "isinf(x)": "isinf",
        "isfinite(x)": "prims::isfinite",
        "x == infinity": "isposinf isneginf",
        "signbit(x)": "signbit prims::signbit",
    },
)
elementwise(FAMILY, {"v if x == 0 else (1 if x > 0 else 0)": "heaviside"}, v="values")
elementwise(FAMILY, {"x if condition else y": "where"})
elementwise(FAMILY, {"a if condition else b": "prims::where"}, a="a", b="b")
elementwise(FAMILY, {"value if mask else x": "masked_fill"})


@formula("aten::clamp", case=Case({"self": (3, 4), "min": 0, "max": None}, (3, 4), Cost(compare=12)))
def clamp(self: TensorSpec, out: TensorSpec, min: Any = None, max: Any = None) -> Cost:
    """min(max(x, low), high), each bound where it is given"""
    return Cost(compare=out.numel) * ((min is not None) + (max is not None))


@formula(
    "aten::round",
    case=Case({"self": (3, 4), "decimals": 2}, (3, 4), Cost(compare=12, multiply=12, divide=12)),
)
def rounded(self: TensorSpec, out: TensorSpec, decimals: int = 0) -> Cost:
    """To a whole number; to decimals d other than 0, c = 10 ** d; round(c * x) / c"""
    return each("round(c * x) / c" if decimals else "round(x)", out, x=self)


@formula("aten::nan_to_num", case=Case({"self": (3, 4)}, (3, 4), Cost(compare=3 * 12)))
def nan_to_num(self: TensorSpec, out: TensorSpec) -> Cost:
    """a if x != x else b if x == infinity else c if x == -infinity else x"""
    return Cost(compare=3 * out.numel) * (2 if self.is_complex else 1)


@formula(
    "aten::isin",
    case=Case({"elements": (3, 4), "test_elements": (5,)}, (3, 4), Cost(compare=12 * (5 + 4))),
)
def isin(out: TensorSpec, test_elements: TensorSpec | None = None, invert: bool = False) -> Cost:
    """x == t[0] or ... or x == t[-1], and its negation for `invert`"""
    tests = 1 if test_elements is None else test_elements.numel
    return Cost(compare=tests + reduced(tests, 1) + invert) * out.numel


@formula("aten::equal", case=Case({"self": (3, 4), "other": (3, 4)}, None, Cost(compare=12 + 11)))
def equal(self: TensorSpec, other: TensorSpec) -> Cost:
    """x[0] == y[0] and ... and x[-1] == y[-1]"""
    return each("x == y", self, x=self, y=other) + Cost(compare=reduced(self.numel, 1))


@formula(
    "aten::allclose",
    case=Case({"self": (3, 4), "other": (3, 4)}, None, Cost(add=2 * 12, multiply=12, compare=3 * 12 + 11)),
)
def allclose(self: TensorSpec, other: TensorSpec) -> Cost:
    """abs(x - y) <= atol + rtol * abs(y) for every element, joined by `and`"""
    return each("abs(x - y) <= atol + rtol * abs(y)", self, x=self, y=other) + Cost(compare=reduced(self.numel, 1))
