"""References of arithmetic, comparisons, rounding and bits, element by element."""

from __future__ import annotations

import math

from formulas.elementwise import elementwise, over, proof_of, sample, shapes
from hypothesis import strategies as st
from oracle import decide, maximum, special, sqrt, total

alphas = st.sampled_from([1, 2, 0.5])
PAIR = {"self": "positive", "other": "positive"}
SIGNED = {"self": "signed", "other": "signed"}


def scaled(factor, x):
    """x times a plain factor; 1 needs no work."""
    return x if factor == 1 else factor * x


def power(x, exponent):
    return x * x if exponent == 2 else special(lambda a: a**exponent, x)


def divided(x, y, rounding_mode):
    return x / y if rounding_mode is None else decide(math.floor, x / y)


def floor(x):
    return decide(math.floor, x)


def lerp(x, end, weight):
    return x + weight * (end - x)


def mvlgamma(x, p):
    constant = p * (p - 1) / 4 * math.log(math.pi)
    return constant + total([special(math.lgamma, x + -j / 2) for j in range(p)])


ARITHMETIC = [
    *elementwise("add _foreach_add", lambda x, y, alpha: x + scaled(alpha, y), PAIR, options={"alpha": alphas}),
    *elementwise("sub _foreach_sub", lambda x, y, alpha: x - scaled(alpha, y), PAIR, options={"alpha": alphas}),
    *elementwise("rsub", lambda x, y, alpha: y - scaled(alpha, x), PAIR, options={"alpha": alphas}),
    *elementwise("_add_relu", lambda x, y, alpha: maximum(x + scaled(alpha, y), 0), SIGNED, options={"alpha": alphas}),
    *elementwise("add", lambda x, other: x + other, options={"other": 2.5}),
    *elementwise("mul", lambda x, other: x * other, options={"other": 2.5}),
    *elementwise("_foreach_add", lambda x, scalar: x + scalar, options={"scalar": 2.5}),
    *elementwise("prims::add", lambda x, y: x + y, PAIR, same=True),
    *elementwise("prims::sub", lambda x, y: x - y, PAIR, same=True),
    *elementwise("mul _foreach_mul", lambda x, y: x * y, PAIR),
    *elementwise("prims::mul", lambda x, y: x * y, PAIR, same=True),
    *elementwise("_foreach_div", lambda x, y: x / y, PAIR),
    *elementwise("prims::div", lambda x, y: x / y, PAIR, same=True),
    *elementwise("div", divided, PAIR, options={"rounding_mode": st.sampled_from([None, "floor", "trunc"])}),
    *elementwise("floor_divide", lambda x, y: floor(x / y), PAIR),
    *elementwise("fmod remainder", lambda x, y: x % y, PAIR),
    *elementwise("prims::fmod prims::remainder", lambda x, y: x % y, PAIR, same=True),
    *elementwise("neg _foreach_neg prims::neg", lambda x: -x, "signed"),
    *elementwise("reciprocal _foreach_reciprocal prims::reciprocal", lambda x: 1 / x),
    *elementwise("rad2deg", lambda x: x * (180 / math.pi)),
    *elementwise("deg2rad", lambda x: x * (math.pi / 180)),
    *elementwise("ldexp", lambda x, y: x * special(lambda e: 2.0**e, y), {"self": "signed", "other": "int"}),
    *elementwise("hypot", lambda x, y: sqrt(x * x + y * y), SIGNED),
    *elementwise("prims::hypot", lambda x, y: sqrt(x * x + y * y), SIGNED, same=True),
    *elementwise("pow", power, options={"exponent": st.sampled_from([2, 3, 0.5, 2.0])}),
    *elementwise("pow", lambda x, y: special(pow, x, y), {"self": "positive", "exponent": "signed"}),
    *elementwise("_foreach_pow", power, options={"exponent": st.sampled_from([2, 3, 0.5])}),
    *elementwise("_foreach_pow", lambda x, y: special(pow, x, y), {"self": "positive", "exponent": "signed"}),
    *elementwise("prims::pow", lambda x, y: special(pow, x, y), PAIR, same=True),
    *elementwise(
        "addcmul",
        lambda x, a, b, value: x + scaled(value, a) * b,
        {"self": "signed", "tensor1": "signed", "tensor2": "signed"},
        options={"value": alphas},
    ),
    *elementwise(
        "_foreach_addcmul",
        lambda x, a, b, value: x + scaled(value, a) * b,
        {"self": "signed", "tensor1": "signed", "tensor2": "signed"},
        options={"value": alphas},
    ),
    *elementwise(
        "addcdiv _foreach_addcdiv",
        lambda x, a, b, value: x + scaled(value, a) / b,
        {"self": "signed", "tensor1": "signed", "tensor2": "positive"},
        options={"value": alphas},
    ),
    *elementwise("lerp", lerp, {"self": "signed", "end": "signed", "weight": "unit"}),
    *elementwise("lerp", lerp, {"self": "signed", "end": "signed"}, options={"weight": 0.3}),
    *elementwise("_foreach_lerp", lerp, {"self": "signed", "tensors1": "signed", "weights": "unit"}),
    *elementwise("mvlgamma", mvlgamma, "over one", options={"p": st.integers(1, 3)}),
]


def tensors(seed, sizes, kind="positive"):
    return [sample(kind, size, seed + place) for place, size in enumerate(sizes)]


@st.composite
def factors(draw, name, factor_lists, *others):
    """Lists of tensors, and as many plain factors in a list."""
    sizes = draw(st.lists(shapes, min_size=1, max_size=3))
    given = {other: tensors(place * 100, sizes) for place, other in enumerate(("self", *others))}
    return {**given, name: [draw(factor_lists) for _ in sizes]}


def powers(self, exponent):
    return tuple(over(lambda x, y=y: power(x, y), array) for array, y in zip(self, exponent, strict=True))


def powers_of_one(self, exponent):
    return tuple(over(lambda y: special(pow, self, y), array) for array in exponent)


def products(self, tensor1, tensor2, scalars):
    rows = zip(self, tensor1, tensor2, scalars, strict=True)
    return tuple(over(lambda x, a, b, c=c: x + scaled(c, a) * b, *arrays) for *arrays, c in rows)


def quotients(self, tensor1, tensor2, scalars):
    rows = zip(self, tensor1, tensor2, scalars, strict=True)
    return tuple(over(lambda x, a, b, c=c: x + scaled(c, a) / b, *arrays) for *arrays, c in rows)


LISTS_OF_FACTORS = [
    proof_of("aten::_foreach_pow", powers, factors("exponent", st.sampled_from([2, 3.0, 0.5]))),
    proof_of(
        "aten::_foreach_pow",
        powers_of_one,
        shapes.map(lambda size: {"self": 2.0, "exponent": tensors(0, [size, (2,)])}),
    ),
    proof_of("aten::_foreach_addcmul", products, factors("scalars", alphas, "tensor1", "tensor2")),
    proof_of("aten::_foreach_addcdiv", quotients, factors("scalars", alphas, "tensor1", "tensor2")),
]

PROOFS = [*ARITHMETIC, *LISTS_OF_FACTORS]
