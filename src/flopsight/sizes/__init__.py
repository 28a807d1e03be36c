"""Sizes with names, and the closed forms that arithmetic makes of them."""

from flopsight.sizes.guard import Guard
from flopsight.sizes.poly import Poly
from flopsight.sizes.size import Size, given, poly_of

__all__ = ["Guard", "Poly", "Size", "given", "poly_of"]
