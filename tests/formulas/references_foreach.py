"""References of operators on lists of tensors that are more than element-wise."""

from __future__ import annotations

import math

import numpy as np
from formulas.elementwise import proof_of, sample, seeds, shapes
from formulas.references_complex import size
from hypothesis import strategies as st
from oracle import Complex, Scalar, maximum, products, special, sqrt, total


def magnitude(x):
    return size(x) if isinstance(x, Complex) else abs(x)


def sum_of_powers(array, order):
    if math.isinf(order):
        return largest([magnitude(x) for x in array.flat])
    if order == 2:
        parts = [part for x in array.flat for part in ((x.re, x.im) if isinstance(x, Complex) else (x,))]
        return total([part * part for part in parts])
    if order in (0, 1):
        return total([x != 0 if order == 0 else magnitude(x) for x in array.flat])
    return total([special(pow, magnitude(x), order) for x in array.flat])


def largest(numbers):
    result = numbers[0] if numbers else Scalar(0.0)
    for other in numbers[1:]:
        result = maximum(result, other)
    return result


def norms(self, ord):
    powers = [sum_of_powers(array, ord) for array in self]
    if ord in (0, 1) or math.isinf(ord):
        return tuple(powers)
    return tuple(sqrt(p) if ord == 2 else special(pow, p, 1 / ord) for p in powers)


def power_sums(self, ord):
    return tuple(sum_of_powers(array, ord) for array in self)


def maxima(self):
    return tuple(largest(list(array.flat)) for array in self)


def matrix_products(self, mat2):
    def one(x, y):
        out = np.empty((x.shape[0], y.shape[1]), dtype=object)
        for i, j in np.ndindex(*out.shape):
            out[i, j] = products(x[i], y[:, j])
        return out

    return tuple(one(x, y) for x, y in zip(self, mat2, strict=True))


@st.composite
def lists(draw, *, smallest=0, kinds=("signed",), **options):
    kind = draw(st.sampled_from(kinds))
    sizes = draw(st.lists(shapes.filter(lambda size: math.prod(size) >= smallest), min_size=1, max_size=3))
    chosen = {name: draw(option) for name, option in options.items()}
    return {"self": [sample(kind, size, draw(seeds)) for size in sizes], **chosen}


@st.composite
def matrices(draw):
    sizes = draw(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=2))
    return {
        "self": [sample("signed", (m, k), draw(seeds)) for m, k, n in sizes],
        "mat2": [sample("signed", (k, n), draw(seeds)) for m, k, n in sizes],
    }


ORDERS = st.sampled_from([0, 1, 2, 3, math.inf])
MATRIX_PRODUCT = proof_of("aten::_foreach_mm", matrix_products, matrices(), values=False)
PROOFS = [
    proof_of("aten::_foreach_norm", norms, lists(smallest=1, kinds=("signed", "complex"), ord=ORDERS)),
    proof_of("aten::_foreach_norm", norms, lists(ord=st.sampled_from([1, 2]))),
    proof_of("aten::_foreach_powsum", power_sums, lists(smallest=1, ord=st.sampled_from([1, 2, 3]))),
    proof_of("aten::_foreach_max", maxima, lists(smallest=1)),
    MATRIX_PRODUCT,
]
