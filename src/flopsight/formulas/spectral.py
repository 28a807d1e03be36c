"""Fourier transforms.   n length of a transform · p its prime factors · T elements of all transforms along a dimension

Cooley and Tukey's algorithm over the prime factors of n, every twiddle factor multiplied, as in the count that papers
and benchmarks use: 5 n log2(n) operations for a power of two. A factor 2 is a butterfly for each pair: one complex
product, a complex sum and a difference. An odd factor p takes p - 1 complex products and sums for each element (a large
prime length costs more here than with the detours that libraries take). A real transform counts as half a complex one.
"""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import ZERO, Cost, TensorSpec
from flopsight.formulas.registry import Case, formula


def prime_factors(number: int) -> list[int]:
    """In rising order, repeated: 12 has 2, 2 and 3."""
    factors, divisor = [], 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors + [number] * (number > 1)


def complex_transforms(elements: int, length: int) -> Cost:
    """Transforms of `length` on `elements` elements together; a symbolic length is taken at its present value."""
    cost = ZERO
    for p in prime_factors(int(length)):
        cost += Cost(multiply=2, add=3) if p == 2 else Cost(multiply=4, add=4) * (p - 1)
    return cost * elements


def real_transforms(elements: int, length: int) -> Cost:
    """Half the work of complex ones; `elements` counts the real side."""
    whole = complex_transforms(elements, length)
    return Cost(multiply=whole.multiply // 2, add=whole.add // 2)


def _normalized(out: TensorSpec, normalization: int) -> Cost:
    """0: none; 1, 2: every result times a number."""
    return Cost(multiply=(2 if out.is_complex else 1) * out.numel) if normalization else ZERO


@formula(
    "aten::_fft_c2c",
    "prims::fft_c2c",
    case=Case(
        {"self": TensorSpec((3, 8), "complex64"), "dim": [1]},
        TensorSpec((3, 8), "complex64"),
        Cost(multiply=3 * 2 * 8 * 3, add=3 * 3 * 8 * 3),
    ),
)
def complex_to_complex(self: TensorSpec, dim: Sequence[int], out: TensorSpec, normalization: int = 0) -> Cost:
    """5 n log2(n) a transform, n a power of two; along one dimension after the other."""
    cost = _normalized(out, normalization)
    for axis in dim:
        cost += complex_transforms(self.numel, self.shape[axis])
    return cost


@formula(
    "aten::_fft_r2c",
    "prims::fft_r2c",
    case=Case(
        {"self": (3, 8), "dim": [1], "onesided": True},
        TensorSpec((3, 5), "complex64"),
        Cost(multiply=3 * 8 * 3, add=3 * 3 * 8 * 3 // 2),
    ),
)
def real_to_complex(
    self: TensorSpec, dim: Sequence[int], onesided: bool, out: TensorSpec, normalization: int = 0
) -> Cost:
    """5/2 n log2(n) along the last of dim, n a power of two; the others are complex, on half of the elements.

    The mirrored half of a result that is not one-sided is a copy.
    """
    last = dim[-1]
    half = TensorSpec(tuple(_onesided(n) if axis == last % self.ndim else n for axis, n in enumerate(self.shape)))
    cost = real_transforms(self.numel, self.shape[last]) + _normalized(out, normalization)
    for axis in dim[:-1]:
        cost += complex_transforms(half.numel, self.shape[axis])
    return cost


def _onesided(length: int) -> int:
    return length // 2 + 1


@formula(
    "aten::_fft_c2r",
    "prims::fft_c2r",
    case=Case(
        {"self": TensorSpec((3, 5), "complex64"), "dim": [1], "last_dim_size": 8},
        (3, 8),
        Cost(multiply=3 * 8 * 3, add=3 * 3 * 8 * 3 // 2),
    ),
)
def complex_to_real(
    self: TensorSpec, dim: Sequence[int], last_dim_size: int, out: TensorSpec, normalization: int = 0
) -> Cost:
    """5/2 n log2(n) along the last of dim, n a power of two; the others are complex, on half of the elements."""
    cost = real_transforms(out.numel, last_dim_size) + _normalized(out, normalization)
    for axis in dim[:-1]:
        cost += complex_transforms(self.numel, self.shape[axis])
    return cost
