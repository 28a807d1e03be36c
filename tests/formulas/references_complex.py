"""References of element-wise operators on complex numbers: written out by their parts, then by simpler functions."""

from __future__ import annotations

import math

from formulas.elementwise import elementwise
from hypothesis import strategies as st
from oracle import Complex, Scalar, decide, exp, log, select, special, sqrt

PAIR = {"self": "complex", "other": "complex"}
MIXED = {"self": "positive", "other": "complex"}


def cos(x):
    return special(math.cos, x)


def sin(x):
    return special(math.sin, x)


def size(z):
    return sqrt(z.re * z.re + z.im * z.im)


def angle(z):
    return special(math.atan2, z.im, z.re)


def turned(z):
    """i*z."""
    return Complex(-z.im, z.re)


def c_exp(z):
    e = exp(z.re)
    return Complex(e * cos(z.im), e * sin(z.im))


def c_log(z):
    return Complex(log(size(z)), angle(z))


def c_sqrt(z):
    r = size(z)
    re, im = sqrt((r + z.re) * 0.5), sqrt((r - z.re) * 0.5)
    return Complex(re, decide(math.copysign, im, z.im))


def c_sin(z):
    return Complex(sin(z.re) * special(math.cosh, z.im), cos(z.re) * special(math.sinh, z.im))


def c_cos(z):
    return Complex(cos(z.re) * special(math.cosh, z.im), -(sin(z.re) * special(math.sinh, z.im)))


def c_sinh(z):
    return Complex(special(math.sinh, z.re) * cos(z.im), special(math.cosh, z.re) * sin(z.im))


def c_cosh(z):
    return Complex(special(math.cosh, z.re) * cos(z.im), special(math.sinh, z.re) * sin(z.im))


def c_asin(z):
    return -turned(c_log(turned(z) + c_sqrt(1 - z * z)))


def c_atan(z):
    return turned(c_log(1 - turned(z)) - c_log(1 + turned(z))) * 0.5


def c_sinc(z):
    angle = z * math.pi
    at_zero, ratio = z == 0, c_sin(angle) / angle
    return Complex(Scalar(1.0), Scalar(0.0)) if at_zero else ratio


def c_sign(z):
    r = size(z)
    at_zero, ratio = r == 0, z / r
    return z if at_zero else ratio


def c_sigmoid(z):
    return (1 + c_exp(-z)).inverse()


def c_conj(z):
    return Complex(z.re, -z.im)


def either(function, z):
    """A decision about both parts, joined."""
    return decide(lambda a, b: a or b, decide(function, z.re), decide(function, z.im))


def both(function, z):
    return decide(lambda a, b: a and b, decide(function, z.re), decide(function, z.im))


def truth(z):
    return decide(lambda a, b: a or b, z.re != 0, z.im != 0)


def c_logaddexp(x, y):
    first, second = decide(lambda a, b: a > b, x.re, y.re), decide(lambda a, b: a > b, x.re, y.re)
    most, least = (x, y) if first.value and second.value else (y, x)
    return most + c_log(1 + c_exp(least - most))


def c_replaced(z):
    for _ in range(3):
        z = Complex(select(False, 0.0, z.re), select(False, 0.0, z.im))
    return z


def chosen(condition, x, y):
    return x if select(condition, 1, 0) else y


def scaled(factor, x):
    return x if factor == 1 else factor * x


LN_2, LN_10 = math.log(2), math.log(10)
alphas = st.sampled_from([1, 2])
FUNCTIONS = {
    "exp _foreach_exp": c_exp,
    "log _foreach_log": c_log,
    "sqrt _foreach_sqrt": c_sqrt,
    "sin _foreach_sin": c_sin,
    "cos _foreach_cos": c_cos,
    "sinh _foreach_sinh": c_sinh,
    "cosh _foreach_cosh": c_cosh,
    "tan": lambda z: c_sin(z) / c_cos(z),
    "tanh": lambda z: c_sinh(z) / c_cosh(z),
    "asin": c_asin,
    "acos": lambda z: math.pi / 2 - c_asin(z),
    "atan": c_atan,
    "asinh": lambda z: c_log(z + c_sqrt(z * z + 1)),
    "acosh": lambda z: c_log(z + c_sqrt(z + 1) * c_sqrt(z - 1)),
    "atanh": lambda z: (c_log(1 + z) - c_log(1 - z)) * 0.5,
    "exp2": lambda z: c_exp(z * LN_2),
    "expm1": lambda z: c_exp(z) - 1,
    "log2": lambda z: c_log(z) / LN_2,
    "log10": lambda z: c_log(z) / LN_10,
    "log1p": lambda z: c_log(1 + z),
    "rsqrt": lambda z: c_sqrt(z).inverse(),
    "reciprocal": lambda z: z.inverse(),
    "neg": lambda z: -z,
    "conj_physical _conj_physical prims::conj_physical": c_conj,
    "abs _foreach_abs prims::abs": size,
    "angle": angle,
    "sgn": c_sign,
    "sinc": c_sinc,
    "sigmoid": c_sigmoid,
    "silu": lambda z: z * c_sigmoid(z),
    "isnan": lambda z: either(math.isnan, z),
    "isinf": lambda z: either(math.isinf, z),
    "prims::isfinite": lambda z: both(math.isfinite, z),
    "logical_not": lambda z: decide(lambda a: not a, truth(z)),
    "nan_to_num": c_replaced,
}
ONE = [proof for names, function in FUNCTIONS.items() for proof in elementwise(names, function, "complex")]
TWO = [
    *elementwise("add", lambda x, y, alpha: x + scaled(alpha, y), PAIR, options={"alpha": alphas}),
    *elementwise("sub", lambda x, y, alpha: x - scaled(alpha, y), PAIR, options={"alpha": alphas}),
    *elementwise("add", lambda x, y, alpha: x + scaled(alpha, y), MIXED, options={"alpha": alphas}),
    *elementwise("sub", lambda x, y, alpha: x - scaled(alpha, y), MIXED, options={"alpha": 1}),
    *elementwise("add", lambda x, other: x + other, "complex", options={"other": 2.0}),
    *elementwise("mul", lambda x, other: x * other, "complex", options={"other": 2.0}),
    *elementwise("div", lambda x, other: x / other, "complex", options={"other": 2.0}),
    *elementwise("mul", lambda x, y: x * y, PAIR),
    *elementwise("mul", lambda x, y: x * y, MIXED),
    *elementwise("div", lambda x, y: x / y, PAIR),
    *elementwise("div", lambda x, y: x / y, MIXED),
    *elementwise("eq", lambda x, y: x == y, PAIR),
    *elementwise("ne", lambda x, y: x != y, PAIR),
    *elementwise("pow", lambda z, w: c_exp(w * c_log(z)), {"self": "complex", "exponent": "complex"}),
    *elementwise("pow", lambda x, w: c_exp(w * log(x)), {"self": "positive", "exponent": "complex"}),
    *elementwise("pow", lambda z: z * z, "complex", options={"exponent": 2}),
    *elementwise("logaddexp", c_logaddexp, PAIR),
    *elementwise("logical_and", lambda x, y: decide(lambda a, b: a and b, truth(x), truth(y)), PAIR),
    *elementwise("where", chosen, {"condition": "bool", **PAIR}),
    *elementwise(
        "tanh_backward",
        lambda g, y: g * c_conj(1 - y * y),
        {"grad_output": "complex", "output": "complex"},
        same=True,
    ),
    *elementwise(
        "sigmoid_backward",
        lambda g, y: g * c_conj((1 - y) * y),
        {"grad_output": "complex", "output": "complex"},
        same=True,
    ),
]


def silu_backward(g, z):
    s = c_sigmoid(z)
    return g * (s * (1 + z * (1 - s)))


TWO += elementwise("silu_backward", silu_backward, {"grad_output": "complex", "self": "complex"}, same=True)
PROOFS = [*ONE, *TWO]
