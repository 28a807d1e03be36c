"""Sizes as SymPy expressions, in the form that a person would write."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from flopsight.sizes.poly import Poly
from flopsight.sizes.size import Size

if TYPE_CHECKING:
    import sympy

_FACTORED_TERMS = 12
"""A sum of more is not worth the search for factors, and would not read better with them."""


def expression(value: int) -> Any:
    """The SymPy expression of a size; a number stays what it is. Raises: ImportError without SymPy."""
    return _expression(value.poly) if isinstance(value, Size) else value


def written(poly: Poly) -> str:
    """A polynomial as SymPy writes it; without SymPy, as Python does."""
    try:
        return str(_expression(poly))
    except ImportError:
        return str(poly)


@cache
def _expression(poly: Poly) -> sympy.Expr:
    import sympy

    whole = poly.mapped(_symbol, _floor, _bits, {})
    if not isinstance(whole, sympy.Expr):
        return sympy.Integer(whole)
    if len(poly.terms) > _FACTORED_TERMS:
        return sympy.factor_terms(whole)
    return sympy.factor(whole)


@cache
def _symbol(name: str) -> sympy.Symbol:
    import sympy

    return sympy.Symbol(name, integer=True, positive=True)


def _floor(of: Any, by: Any) -> Any:
    """`ceiling(x / n)` for the floor of `(x + n - 1) / n`."""
    import sympy

    constant, moving = sympy.sympify(of).as_coeff_Add()
    if isinstance(by, int) and constant >= 0 and (constant + 1) % by == 0:
        return sympy.ceiling(moving / by) + (constant + 1) // by - 1
    return sympy.floor(of / sympy.sympify(by))


def _bits(of: Any) -> Any:
    """`ceiling(log(n, 2))` for the bits of n - 1."""
    import sympy

    return sympy.ceiling(sympy.log(of + 1, 2, evaluate=False))
