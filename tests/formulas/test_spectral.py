import cmath

import numpy as np
import torch
from contraction_proof import array, check, few, filled, proves
from hypothesis import given
from hypothesis import strategies as st
from oracle import counting

from flopsight.cost import TensorSpec
from flopsight.formulas.spectral import complex_transforms, prime_factors, real_transforms

lengths = st.integers(1, 9)


class Number:
    """A complex number by its parts."""

    def __init__(self, re, im):
        self.re, self.im = re, im

    def __add__(self, other):
        return Number(self.re + other.re, self.im + other.im)

    def __sub__(self, other):
        return Number(self.re - other.re, self.im - other.im)

    def turned(self, w):
        return Number(self.re * w.real - self.im * w.imag, self.re * w.imag + self.im * w.real)


def transform(x):
    """Splits by the smallest prime factor, transforms each part, and joins them."""
    n = len(x)
    if n == 1:
        return x
    p = next(d for d in range(2, n + 1) if n % d == 0)
    parts, m = [transform(x[r::p]) for r in range(p)], n // p
    root = lambda k: cmath.exp(-2j * cmath.pi * k / n)
    if p == 2:
        odd = [parts[1][k].turned(root(k)) for k in range(m)]
        return [parts[0][k] + odd[k] for k in range(m)] + [parts[0][k] - odd[k] for k in range(m)]
    out = []
    for k in range(n):
        whole = parts[0][k % m]
        for r in range(1, p):
            whole = whole + parts[r][k % m].turned(root(k * r))
        out.append(whole)
    return out


def random_numbers(shape, seed=0):
    re, im = array(shape, seed), array(shape, seed + 1)
    return filled(shape, lambda *at: Number(re[at], im[at]))


def along(x, axis):
    rows = np.moveaxis(x, axis, -1)
    out = np.empty(rows.shape, dtype=object)
    for at in np.ndindex(*rows.shape[:-1]):
        out[at] = transform(list(rows[at]))
    return np.moveaxis(out, -1, axis)


def plain(x):
    return np.vectorize(lambda z: complex(z.re.value, z.im.value), otypes=[complex])(x) if x.size else x.astype(complex)


def spec(shape, dtype="complex64"):
    return TensorSpec(shape, dtype)


@proves("aten::_fft_c2c", "prims::fft_c2c")
@given(a=lengths, b=lengths, dims=st.sampled_from([[0], [1], [-1], [0, 1]]), scaled=st.booleans())
def test_complex(operator, a, b, dims, scaled):
    x = random_numbers((a, b))
    scaled = scaled and operator.startswith("aten")

    def reference():
        out = x
        for axis in dims:
            out = along(out, axis)
        if scaled:
            for z in out.ravel():
                z.re, z.im = z.re * 1.0, z.im * 1.0
        np.testing.assert_allclose(plain(out), torch.fft.fftn(torch.from_numpy(plain(x)), dim=dims).numpy(), rtol=1e-9)
        return spec((a, b))

    more = {"normalization": 2 if scaled else 0} if operator.startswith("aten") else {}
    check(operator, {"self": spec((a, b)), "dim": dims, "forward": True, **more}, reference)


def halved(count):
    return {kind: number // 2 for kind, number in count.items() if number}


def pair_of_real(n):
    """Two real signals in one complex transform: what one of them costs is half of it, separating them left out."""
    with counting() as counts:
        transform([Number(*parts) for parts in zip(array((n,)), array((n,), 1), strict=True)])
    return counts


@few
@given(n=st.integers(1, 16), rows=st.integers(0, 3))
def test_a_real_transform_is_half_of_a_complex_one(n, rows):
    ours = real_transforms(rows * n, n).by_kind()
    assert {kind: number for kind, number in ours.items() if number} == {
        kind: rows * number for kind, number in halved(pair_of_real(n)).items() if rows * number
    }


@proves("aten::_fft_r2c", "prims::fft_r2c")
@given(a=lengths, b=lengths, dims=st.sampled_from([[1], [0], [0, 1]]), onesided=st.booleans(), scaled=st.booleans())
def test_real_to_complex(operator, a, b, dims, onesided, scaled):
    scaled = scaled and operator.startswith("aten")
    size = (a, b)
    half = tuple(n // 2 + 1 if axis == dims[-1] else n for axis, n in enumerate(size))
    out = half if onesided else size

    def reference():
        halves(size, dims[-1])
        for axis in dims[:-1]:
            along(random_numbers(half), axis)
        if scaled:
            _ = [x * 1.0 for x in array((2, *out)).ravel()]
        return spec(out)

    more = {"normalization": 1 if scaled else 0} if operator.startswith("aten") else {}
    check(operator, {"self": spec(size, "float32"), "dim": dims, "onesided": onesided, **more}, reference)


def halves(size, axis):
    """Real transforms along an axis, two in one complex one; twice as many rows are needed for whole ones."""
    n = size[axis]
    rows = size[0] * size[1] // n
    for _ in range(rows // 2):
        transform(list(random_numbers((n,))))
    if rows % 2:
        for kind, number in halved(pair_of_real(n)).items():
            _again(kind, number)


def _again(kind, number):
    x = array((1,))[0]
    for _ in range(number):
        _ = x * 1.0 if kind == "multiply" else x + 1.0


@proves("aten::_fft_c2r", "prims::fft_c2r")
@given(a=lengths, b=lengths, dims=st.sampled_from([[1], [0], [0, 1]]))
def test_complex_to_real(operator, a, b, dims):
    size = (a, b)
    half = tuple(n // 2 + 1 if axis == dims[-1] else n for axis, n in enumerate(size))

    def reference():
        for axis in dims[:-1]:
            along(random_numbers(half), axis)
        halves(size, dims[-1])
        return spec(size, "float32")

    more = {"normalization": 0} if operator.startswith("aten") else {}
    check(operator, {"self": spec(half), "dim": dims, "last_dim_size": size[dims[-1]], **more}, reference)


def test_powers_of_two_cost_five_n_log_n():
    for log in range(1, 12):
        cost = complex_transforms(2**log, 2**log)
        assert cost.exact == 5 * 2**log * log
        assert 2 * real_transforms(2**log, 2**log).exact == cost.exact


def test_prime_factors():
    assert prime_factors(1) == []
    assert prime_factors(360) == [2, 2, 2, 3, 3, 5]
    assert prime_factors(97) == [97]
