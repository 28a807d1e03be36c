"""Sizes with names, and the closed forms that arithmetic makes of them."""

from flopsight.sizes.guard import Guard
from flopsight.sizes.poly import Poly
from flopsight.sizes.size import Size, poly_of

__all__ = ["Guard", "Poly", "Size", "poly_of"]
