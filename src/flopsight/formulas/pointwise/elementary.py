"""Elementary and special functions, element by element.   x self · y other

A function of its own name is one `special`. Iterative ones (Bessel functions, polynomials of order n, the greatest
common divisor) count as one as well. Where the operands are complex, `equation` writes the function out by its parts.
"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.equation import each, elementwise
from flopsight.formulas.registry import Case, formula

FAMILY = "pointwise"

elementwise(
    FAMILY,
    {
        "exp(x)": "exp _foreach_exp prims::exp",
        "exp2(x)": "exp2 prims::exp2",
        "expm1(x)": "expm1 _foreach_expm1 prims::expm1",
        "log(x)": "log _foreach_log prims::log",
        "log2(x)": "log2 _foreach_log2 prims::log2",
        "log10(x)": "log10 _foreach_log10 prims::log10",
        "log1p(x)": "log1p _foreach_log1p prims::log1p",
        "sqrt(x)": "sqrt _foreach_sqrt prims::sqrt",
        "rsqrt(x)": "rsqrt _foreach_rsqrt prims::rsqrt",
        "cbrt(x)": "prims::cbrt",
        "sin(x)": "sin _foreach_sin prims::sin",
        "cos(x)": "cos _foreach_cos prims::cos",
        "tan(x)": "tan _foreach_tan prims::tan",
        "asin(x)": "asin _foreach_asin prims::asin",
        "acos(x)": "acos _foreach_acos prims::acos",
        "atan(x)": "atan _foreach_atan prims::atan",
        "atan2(x, y)": "atan2 prims::atan2",
        "sinh(x)": "sinh _foreach_sinh prims::sinh",
        "cosh(x)": "cosh _foreach_cosh prims::cosh",
        "asinh(x)": "asinh prims::asinh",
        "acosh(x)": "acosh prims::acosh",
        "atanh(x)": "atanh prims::atanh",
        "erf(x)": "erf _foreach_erf prims::erf",
        "erfc(x)": "erfc _foreach_erfc prims::erfc",
        "erfcx(x)": "special_erfcx prims::erfcx",
        "erfinv(x)": "erfinv prims::erf_inv",
        "lgamma(x)": "lgamma _foreach_lgamma prims::lgamma",
        "digamma(x)": "digamma prims::digamma",
        "polygamma(n, x)": "polygamma",
        "zeta(x, y)": "special_zeta prims::zeta",
        "igamma(x, y)": "igamma prims::igamma",
        "igammac(x, y)": "igammac prims::igammac",
        "ndtri(x)": "special_ndtri prims::ndtri",
        "log_ndtr(x)": "special_log_ndtr",
        "gcd(x, y)": "gcd prims::gcd",
        "lcm(x, y)": "lcm",
        "nextafter(x, y)": "nextafter prims::nextafter",
    },
)
elementwise(
    FAMILY,
    {
        "i0(x)": "i0 special_modified_bessel_i0 prims::bessel_i0",
        "i0e(x)": "special_i0e prims::bessel_i0e",
        "i1(x)": "special_i1 special_modified_bessel_i1 prims::bessel_i1",
        "i1e(x)": "special_i1e prims::bessel_i1e",
        "k0(x)": "special_modified_bessel_k0",
        "k0e(x)": "special_scaled_modified_bessel_k0",
        "k1(x)": "special_modified_bessel_k1",
        "k1e(x)": "special_scaled_modified_bessel_k1",
        "bessel_j0(x)": "special_bessel_j0 prims::bessel_j0",
        "bessel_j1(x)": "special_bessel_j1 prims::bessel_j1",
        "bessel_y0(x)": "special_bessel_y0",
        "bessel_y1(x)": "special_bessel_y1",
        "spherical_j0(x)": "special_spherical_bessel_j0 prims::spherical_bessel_j0",
        "airy_ai(x)": "special_airy_ai",
        "chebyshev_t(x, n)": "special_chebyshev_polynomial_t special_shifted_chebyshev_polynomial_t",
        "chebyshev_u(x, n)": "special_chebyshev_polynomial_u special_shifted_chebyshev_polynomial_u",
        "chebyshev_v(x, n)": "special_chebyshev_polynomial_v special_shifted_chebyshev_polynomial_v",
        "chebyshev_w(x, n)": "special_chebyshev_polynomial_w special_shifted_chebyshev_polynomial_w",
        "hermite_h(x, n)": "special_hermite_polynomial_h",
        "hermite_he(x, n)": "special_hermite_polynomial_he",
        "laguerre_l(x, n)": "special_laguerre_polynomial_l",
        "legendre_p(x, n)": "special_legendre_polynomial_p",
    },
)
elementwise(
    FAMILY,
    {
        "p = pi * x; 1 if x == 0 else sin(p) / p": "sinc",
        "0 if x == 0 else (-x * log(x) if x > 0 else lowest)": "special_entr",
        "0 if x == 0 else x * log(y)": "xlogy",
        "0 if x == 0 else x * log1p(y)": "special_xlog1py",
        "m = max(x, y); m + log1p(exp(min(x, y) - m))": "logaddexp",
        "m = max(x, y); m + log2(1 + exp2(min(x, y) - m))": "logaddexp2",
    },
)


@formula("aten::frexp", "prims::frexp", case=Case({"self": (3, 4)}, ((3, 4), (3, 4)), Cost(special=12)))
def frexp(self: TensorSpec) -> Cost:
    """A mantissa and an exponent: one special function an element"""
    return each("frexp(x)", self, x=self)
