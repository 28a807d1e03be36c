"""The functions that equations may name: what they cost for real numbers, and how complex ones are made of those."""

from __future__ import annotations

from flopsight.cost import ZERO, Cost

_SPECIAL = """
    acos acosh airy_ai asin asinh atan atan2 atanh bessel_j0 bessel_j1 bessel_y0 bessel_y1 cbrt chebyshev_t chebyshev_u
    chebyshev_v chebyshev_w cos cosh digamma dirichlet_grad erf erfc erfcx erfinv exp exp2 expm1 frexp gamma_grad gcd
    hermite_h hermite_he i0 i0e i1 i1e igamma igammac k0 k0e k1 k1e laguerre_l lcm legendre_p lgamma log log10 log1p
    log2 log_ndtr ndtri nextafter polygamma pow rsqrt sin sinh spherical_j0 sqrt tan tanh zeta
    """
_COMPARE = "abs angle ceil copysign floor isfinite isinf isnan max min round sign signbit trunc"
_FREE = "conj"

REAL = {
    **dict.fromkeys(_SPECIAL.split(), Cost(special=1)),
    **dict.fromkeys(_COMPARE.split(), Cost(compare=1)),
    **dict.fromkeys(_FREE.split(), ZERO),
}
"""What a function of real numbers costs: a conjugate is the number itself."""

DEFINED = {"sigmoid": "1 / (1 + exp(-x))"}
"""Functions of a real or complex x that are written out."""

PARTS = {
    "abs": "sqrt(a * a + b * b)",
    "angle": "atan2(b, a)",
    "conj": "(a, -b)",
    "cos": "(cos(a) * cosh(b), -(sin(a) * sinh(b)))",
    "cosh": "(cosh(a) * cos(b), sinh(a) * sin(b))",
    "exp": "e = exp(a); (e * cos(b), e * sin(b))",
    "isfinite": "isfinite(a) & isfinite(b)",
    "isinf": "isinf(a) | isinf(b)",
    "isnan": "isnan(a) | isnan(b)",
    "max": "max(a, b)",
    "min": "min(a, b)",
    "log": "(log(sqrt(a * a + b * b)), atan2(b, a))",
    "sin": "(sin(a) * cosh(b), cos(a) * sinh(b))",
    "sinh": "(sinh(a) * cos(b), cosh(a) * sin(b))",
    "sqrt": "r = sqrt(a * a + b * b); (sqrt(0.5 * (r + a)), copysign(sqrt(0.5 * (r - a)), b))",
    "turned": "(-b, a)",
}
"""Functions of a complex number a + i*b, by its parts; turned(z) is i*z. max and min go by the real parts of two."""

COMPLEX = {
    "acos": "half_pi - asin(z)",
    "acosh": "log(z + sqrt(z + 1) * sqrt(z - 1))",
    "asin": "-turned(log(turned(z) + sqrt(1 - z * z)))",
    "asinh": "log(z + sqrt(z * z + 1))",
    "atan": "0.5 * turned(log(1 - turned(z)) - log(1 + turned(z)))",
    "atanh": "0.5 * (log(1 + z) - log(1 - z))",
    "exp2": "exp(ln_2 * z)",
    "expm1": "exp(z) - 1",
    "log10": "log(z) / ln_10",
    "log1p": "log(1 + z)",
    "log2": "log(z) / ln_2",
    "pow": "exp(w * log(z))",
    "rsqrt": "1 / sqrt(z)",
    "sign": "r = abs(z); 0 if r == 0 else z / r",
    "tan": "sin(z) / cos(z)",
    "tanh": "sinh(z) / cosh(z)",
}
"""Functions of a complex number z (and w), by simpler ones."""

REAL_RESULT = frozenset({"abs", "angle", "isfinite", "isinf", "isnan"})
"""Functions of complex numbers with a real result."""
