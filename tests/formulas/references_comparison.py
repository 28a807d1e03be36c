"""References of comparisons, selections, rounding and bits, element by element."""

from __future__ import annotations

import math
import operator

from formulas.elementwise import elementwise, over, proof_of, sample, seeds, shapes
from hypothesis import strategies as st
from oracle import Scalar, decide, maximum, minimum, select

bounds = st.sampled_from([None, 0.5])
SIGNED = {"self": "signed", "other": "signed"}
INTS = {"self": "int", "other": "int"}
BOOLS = {"self": "bool", "other": "bool"}


def rounded(x, decimals):
    return decide(round, x * 10**decimals) / 10**decimals if decimals else decide(round, x)


def trunc(x):
    return decide(math.trunc, x)


def clamped(x, min, max):
    if min is not None:
        x = maximum(x, min)
    return x if max is None else minimum(x, max)


def heaviside(x, values):
    at_zero, above = x == 0, x > 0
    return values if at_zero else Scalar(1.0) if above else Scalar(0.0)


def decided(function):
    """One decision an element about as many numbers as there are."""
    return lambda *numbers: decide(function, *numbers)


def replaced(x):
    """x, with what is not a number or infinite replaced."""
    x = Scalar(0.0) if x != x else x
    x = Scalar(1e300) if x == math.inf else x
    return Scalar(-1e300) if x == -math.inf else x


def both(*operators):
    """An operator of aten and that of prims."""
    return " ".join(f"{name} prims::{name}" for name in operators)


COMPARED = [
    proof
    for name in ("eq", "ne", "lt", "le", "gt", "ge")
    for kinds in (SIGNED, INTS)
    for proof in elementwise(both(name), getattr(operator, name), kinds, same=True)
]
BITS = [
    *elementwise(both("bitwise_and"), decided(operator.and_), INTS, same=True),
    *elementwise(both("bitwise_or"), decided(operator.or_), INTS, same=True),
    *elementwise(both("bitwise_xor"), decided(operator.xor), INTS, same=True),
    *elementwise(both("bitwise_not"), decided(operator.invert), "int"),
    *elementwise("bitwise_left_shift __lshift__ prims::shift_left", decided(operator.lshift), INTS, same=True),
    *elementwise(
        "bitwise_right_shift __rshift__ prims::shift_right_arithmetic", decided(operator.rshift), INTS, same=True
    ),
    *elementwise("__ilshift__", decided(operator.lshift), INTS, same=True, values=False),
    *elementwise("__irshift__", decided(operator.rshift), INTS, same=True, values=False),
    *elementwise("logical_and", decided(lambda a, b: a and b), BOOLS),
    *elementwise("logical_or", decided(lambda a, b: a or b), BOOLS),
    *elementwise("logical_xor", decided(operator.xor), BOOLS),
    *elementwise("logical_not", decided(operator.not_), "bool"),
]
SELECTED = [
    *elementwise("maximum fmax", maximum, SIGNED),
    *elementwise("_foreach_maximum prims::maximum prims::fmax", maximum, SIGNED, same=True),
    *elementwise("minimum fmin", minimum, SIGNED),
    *elementwise("_foreach_minimum prims::minimum prims::fmin", minimum, SIGNED, same=True),
    *elementwise("clamp_min", maximum, {"self": "signed", "min": "signed"}),
    *elementwise("clamp_max", minimum, {"self": "signed", "max": "signed"}),
    *elementwise("_foreach_clamp_min", maximum, SIGNED),
    *elementwise("_foreach_clamp_max", minimum, SIGNED),
    *elementwise("clamp", clamped, "signed", options={"min": -0.5, "max": bounds}),
    *elementwise("clamp", clamped, "signed", options={"min": bounds, "max": 0.5}),
    *elementwise("where", select, {"condition": "bool", "self": "signed", "other": "signed"}),
    *elementwise("prims::where", select, {"pred": "bool", "a": "signed", "b": "signed"}, same=True),
    *elementwise("heaviside", heaviside, {"self": "int", "values": "int"}),
    *elementwise(
        "masked_fill",
        lambda x, mask, value: select(mask, value, x),
        {"self": "signed", "mask": "bool"},
        options={"value": 1.5},
    ),
    *elementwise("nan_to_num", replaced, "signed"),
]
ROUNDED = [
    *elementwise("abs _foreach_abs prims::abs", abs, "signed"),
    *elementwise("sign sgn _foreach_sign prims::sign", decided(lambda x: (x > 0) - (x < 0)), "signed"),
    *elementwise("ceil _foreach_ceil prims::ceil", decided(math.ceil), "signed"),
    *elementwise("floor _foreach_floor prims::floor", decided(math.floor), "signed"),
    *elementwise("trunc _foreach_trunc prims::trunc", trunc, "signed"),
    *elementwise("_foreach_round prims::round", decided(round), "signed"),
    *elementwise("round", rounded, "signed", options={"decimals": st.integers(-1, 2)}, values=False),
    *elementwise("frac _foreach_frac", lambda x: x - trunc(x), "signed"),
    *elementwise("angle", decided(lambda x: math.pi if x < 0 else 0.0), "signed"),
    *elementwise("copysign", decided(math.copysign), SIGNED),
    *elementwise("isnan", decided(math.isnan), "signed"),
    *elementwise("isinf", decided(math.isinf), "signed"),
    *elementwise("prims::isfinite", decided(math.isfinite), "signed"),
    *elementwise("isposinf", lambda x: x == math.inf, "signed"),
    *elementwise("isneginf", lambda x: x == -math.inf, "signed"),
    *elementwise("signbit prims::signbit", decided(lambda x: x < 0), "signed"),
]


def joined(function, decisions):
    """Decisions, joined two at a time; of none, nothing is decided."""
    found = list(decisions)
    result = found[0] if found else Scalar(True)
    for other in found[1:]:
        result = decide(function, result, other)
    return result


def isin(elements, test_elements, invert):
    def one(x):
        found = joined(lambda a, b: a or b, [x == t for t in test_elements.flat])
        found = found if test_elements.size else Scalar(False)
        return decide(operator.not_, found) if invert else found

    return over(one, elements)


def equal(self, other):
    return joined(lambda a, b: a and b, [x == y for x, y in zip(self.flat, other.flat, strict=True)])


def allclose(self, other, rtol, atol):
    near = [abs(x - y) <= atol + rtol * abs(y) for x, y in zip(self.flat, other.flat, strict=True)]
    return joined(lambda a, b: a and b, near)


@st.composite
def pairs(draw, **options):
    size, seed = draw(shapes), draw(seeds)
    other = sample("int", size, seed if draw(st.booleans()) else seed + 1)
    return {"self": sample("int", size, seed), "other": other, **options}


@st.composite
def searched(draw):
    given = {"elements": sample("int", draw(shapes), draw(seeds)), "test_elements": sample("int", draw(shapes), 1)}
    return {**given, "invert": draw(st.booleans())}


JOINED = [
    proof_of("aten::isin", isin, searched()),
    proof_of("aten::equal", equal, pairs()),
    proof_of("aten::allclose", allclose, pairs(rtol=1e-5, atol=1e-8)),
]
PROOFS = [*COMPARED, *BITS, *SELECTED, *ROUNDED, *JOINED]
