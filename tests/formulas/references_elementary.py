"""References of elementary and special functions, element by element: their values are the standard library's.

Functions that it does not have count here with whatever value: PyTorch's own is then not compared.
"""

from __future__ import annotations

import math

from formulas.elementwise import elementwise
from oracle import Complex, Scalar, exp, log, maximum, minimum, special

PAIR = {"self": "positive", "other": "positive"}


def function(compute):
    return lambda *numbers: special(compute, *numbers)


def sinc(x):
    angle = x * math.pi
    at_zero, ratio = x == 0, special(math.sin, angle) / angle
    return Scalar(1.0) if at_zero else ratio


def entropy(x):
    above, at_zero, inside = x > 0, x == 0, -x * log(x)
    return inside if above else Scalar(0.0) if at_zero else Scalar(-math.inf)


def xlogy(x, y):
    at_zero, product = x == 0, x * log(y)
    return Scalar(0.0) if at_zero else product


def xlog1py(x, y):
    at_zero, product = x == 0, x * special(math.log1p, y)
    return Scalar(0.0) if at_zero else product


def logaddexp(x, y):
    most = maximum(x, y)
    return most + special(math.log1p, exp(minimum(x, y) - most))


def logaddexp2(x, y):
    most = maximum(x, y)
    return most + special(math.log2, 1 + special(lambda v: 2**v, minimum(x, y) - most))


STANDARD = [
    *elementwise("exp _foreach_exp prims::exp", exp, "signed"),
    *elementwise("exp2 prims::exp2", function(lambda x: 2**x), "signed"),
    *elementwise("expm1 _foreach_expm1 prims::expm1", function(math.expm1), "signed"),
    *elementwise("log _foreach_log prims::log", log),
    *elementwise("log2 _foreach_log2 prims::log2", function(math.log2)),
    *elementwise("log10 _foreach_log10 prims::log10", function(math.log10)),
    *elementwise("log1p _foreach_log1p prims::log1p", function(math.log1p)),
    *elementwise("sqrt _foreach_sqrt prims::sqrt", function(math.sqrt)),
    *elementwise("rsqrt _foreach_rsqrt prims::rsqrt", function(lambda x: 1 / math.sqrt(x))),
    *elementwise("prims::cbrt", function(lambda x: x ** (1 / 3)), values=False),
    *elementwise("sin _foreach_sin prims::sin", function(math.sin), "signed"),
    *elementwise("cos _foreach_cos prims::cos", function(math.cos), "signed"),
    *elementwise("tan _foreach_tan prims::tan", function(math.tan), "signed"),
    *elementwise("asin _foreach_asin prims::asin", function(math.asin), "unit"),
    *elementwise("acos _foreach_acos prims::acos", function(math.acos), "unit"),
    *elementwise("atan _foreach_atan prims::atan", function(math.atan), "signed"),
    *elementwise("atan2", function(math.atan2), PAIR),
    *elementwise("prims::atan2", function(math.atan2), PAIR, same=True),
    *elementwise("sinh _foreach_sinh prims::sinh", function(math.sinh), "signed"),
    *elementwise("cosh _foreach_cosh prims::cosh", function(math.cosh), "signed"),
    *elementwise("asinh prims::asinh", function(math.asinh), "signed"),
    *elementwise("acosh prims::acosh", function(math.acosh), "over one"),
    *elementwise("atanh prims::atanh", function(math.atanh), "unit"),
    *elementwise("erf _foreach_erf prims::erf", function(math.erf), "signed"),
    *elementwise("erfc _foreach_erfc prims::erfc", function(math.erfc), "signed"),
    *elementwise("lgamma _foreach_lgamma prims::lgamma", function(math.lgamma)),
    *elementwise("special_log_ndtr", function(lambda x: math.log(0.5 * math.erfc(-x / math.sqrt(2)))), "signed"),
    *elementwise("special_erfcx prims::erfcx", function(lambda x: math.exp(x * x) * math.erfc(x)), "unit"),
    *elementwise("gcd", function(math.gcd), {"self": "int", "other": "int"}),
    *elementwise("prims::gcd", function(math.gcd), {"self": "int", "other": "int"}, same=True),
    *elementwise("lcm", function(math.lcm), {"self": "int", "other": "int"}),
    *elementwise("nextafter", function(math.nextafter), PAIR),
    *elementwise("prims::nextafter", function(math.nextafter), PAIR, same=True),
]
ONE_ARGUMENT = """
    digamma prims::digamma erfinv prims::erf_inv special_ndtri prims::ndtri i0 special_modified_bessel_i0
    prims::bessel_i0 special_i0e prims::bessel_i0e special_i1 special_modified_bessel_i1 prims::bessel_i1 special_i1e
    prims::bessel_i1e special_bessel_j0 prims::bessel_j0 special_bessel_j1 prims::bessel_j1 special_bessel_y0
    special_bessel_y1 special_modified_bessel_k0 special_modified_bessel_k1 prims::spherical_bessel_j0
"""
OF_X = """
    special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1 special_spherical_bessel_j0 special_airy_ai
"""
POLYNOMIALS = """
    special_chebyshev_polynomial_t special_chebyshev_polynomial_u special_chebyshev_polynomial_v
    special_chebyshev_polynomial_w special_shifted_chebyshev_polynomial_t special_shifted_chebyshev_polynomial_u
    special_shifted_chebyshev_polynomial_v special_shifted_chebyshev_polynomial_w special_hermite_polynomial_h
    special_hermite_polynomial_he special_laguerre_polynomial_l special_legendre_polynomial_p
"""


def some(*numbers):
    return special(lambda *values: 0.0, *numbers)


NAMED = [
    *elementwise(ONE_ARGUMENT, some, values=False),
    *elementwise(OF_X, some, {"x": "positive"}, values=False),
    *elementwise(POLYNOMIALS, some, {"x": "positive", "n": "int"}, values=False),
    *elementwise("polygamma", some, values=False, options={"n": 1}),
    *elementwise("special_zeta igamma igammac prims::zeta prims::igamma prims::igammac", some, PAIR, values=False),
]
WRITTEN_OUT = [
    *elementwise("sinc", sinc, "signed"),
    *elementwise("special_entr", entropy, "signed"),
    *elementwise("xlogy", xlogy, PAIR),
    *elementwise("special_xlog1py", xlog1py, PAIR),
    *elementwise("logaddexp", logaddexp, PAIR),
    *elementwise("logaddexp2", logaddexp2, PAIR),
    *elementwise(
        "polar",
        lambda r, t: Complex(r * special(math.cos, t), r * special(math.sin, t)),
        {"abs": "positive", "angle": "signed"},
    ),
    *elementwise(
        "frexp prims::frexp", lambda x: (special(lambda v: math.frexp(v)[0], x), Scalar(0.0)), results=2, values=False
    ),
]
PROOFS = [*STANDARD, *NAMED, *WRITTEN_OUT]
