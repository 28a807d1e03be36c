"""Integers that know the formula they come from.

A `Size` is an `int` with a value, that of one run, and a `Poly` in the names of sizes, which arithmetic carries along.
Formulas and shape rules work on it as on any integer, and what comes out is known for all sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flopsight.sizes.poly import Poly


def given(sizes: Mapping[str, int]) -> str:
    """Sizes by name, as they are given: `batch=8, seq=4096`."""
    return ", ".join(f"{name}={size}" for name, size in sizes.items())


def poly_of(value: int) -> Poly:
    """The polynomial of a size; of any other integer, the constant."""
    return value.poly if isinstance(value, Size) else Poly.number(int(value))


class Size(int):
    """An integer with its value in one run and its formula."""

    poly: Poly

    def __new__(cls, value: int, poly: Poly) -> Size:
        """The size; one that does not depend on any name is still a `Size`."""
        made = super().__new__(cls, value)
        made.poly = poly
        return made

    def __getnewargs__(self) -> tuple[int, Poly]:  # type: ignore[override]
        return int(self), self.poly

    def bit_length(self) -> int:
        """The number of bits, by the formula too."""
        return type(self)(super().bit_length(), self.poly.bits())

    def __hash__(self) -> int:
        return hash(self.poly)  # apart from a number of the same value, where calls are remembered by their sizes


def _arithmetic(name: str, on: Callable[[Poly, Poly], Poly], *, swapped: bool) -> Any:
    plain = getattr(int, name)

    def method(self: Size, other: Any) -> Any:
        value = plain(self, other)
        if value is NotImplemented or not isinstance(other, int):
            return value
        a, b = (poly_of(other), self.poly) if swapped else (self.poly, poly_of(other))
        poly = on(a, b)
        constant = poly.constant
        if constant is not None:
            return constant
        kind = type(other) if isinstance(other, type(self)) else type(self)
        return kind(value, poly)

    method.__name__ = name
    return method


for _name, _on in {
    "add": Poly.__add__,
    "sub": Poly.__sub__,
    "mul": Poly.__mul__,
    "floordiv": Poly.__floordiv__,
    "mod": Poly.__mod__,
}.items():
    setattr(Size, f"__{_name}__", _arithmetic(f"__{_name}__", _on, swapped=False))
    setattr(Size, f"__r{_name}__", _arithmetic(f"__r{_name}__", _on, swapped=True))


def _negative(self: Size) -> Size:
    return type(self)(-int(self), -self.poly)


def _power(self: Size, exponent: Any, modulus: Any = None) -> Any:
    if modulus is not None or type(exponent) is not int or exponent < 0:
        return pow(int(self), exponent, modulus)
    made: Any = 1
    for _ in range(exponent):
        made = made * self
    return made


Size.__neg__ = _negative  # type: ignore[method-assign,assignment]
Size.__pow__ = _power  # type: ignore[method-assign,assignment]


def _written(self: Size, spec: str = "") -> str:
    return str(self.poly)  # so that the number of one run is never taken for the size


Size.__repr__ = Size.__str__ = Size.__format__ = _written  # type: ignore[method-assign,assignment]
