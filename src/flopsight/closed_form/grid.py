"""A polynomial at many sizes at once, and the size at which it reaches a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flopsight.errors import InputError
from flopsight.sizes import Poly

if TYPE_CHECKING:
    import numpy as np

_LARGEST = 2**62
_SEARCHED = 2**62
"""Sizes above are none."""


def grid(poly: Poly, axes: Mapping[str, Sequence[int]]) -> np.ndarray[Any, Any]:
    """The values at every combination of sizes: an array with a dimension for each name, in order."""
    import numpy as np

    within = poly.bound({name: max(sizes) for name, sizes in axes.items()}) < _LARGEST
    arrays = [np.asarray(sizes, dtype=np.int64 if within else object) for sizes in axes.values()]
    shaped = np.meshgrid(*arrays, indexing="ij", sparse=True)
    values = np.asarray(poly.at(dict(zip(axes, shaped, strict=True))), dtype=arrays[0].dtype)
    whole: np.ndarray[Any, Any] = np.broadcast_to(values, [len(sizes) for sizes in axes.values()]).copy()
    return whole


def largest(poly: Poly, free: str, given: Mapping[str, int], budget: int, name: str) -> int:
    """The largest size at which a quantity that grows with it is within the budget. Raises: InputError."""

    def within(size: int) -> bool:
        return bool(poly.at({**given, free: size}) <= budget)

    if free not in poly.names():
        raise InputError(f"{name} does not depend on {free}.")
    if not within(1):
        raise InputError(f"With {free}=1 it is {poly.at({**given, free: 1}):,} {name} already, more than {budget:,}.")
    low, high = 1, 2
    while within(high):
        low, high = high, 2 * high
        if high > _SEARCHED:
            raise InputError(f"Any {free} is within {budget:,} {name}.")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if within(middle) else (low, middle)
    return low
