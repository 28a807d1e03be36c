"""Reductions and running totals.   n elements, reduced to m results · L length of the reduced axis

A reduction of n elements to m results takes n - m steps, L - 1 for each result; a running total likewise.
"""

from __future__ import annotations

from math import inf

from flopsight.cost import Cost, TensorSpec, product
from flopsight.formulas.parts import multiplied, reduced, summed
from flopsight.formulas.registry import Case, formula

Result = TensorSpec | tuple[TensorSpec, ...]


def first(out: Result) -> TensorSpec:
    """The only result, or the first of several."""
    return out[0] if isinstance(out, tuple) else out


def rows(tensor: TensorSpec, dim: int) -> int:
    """How many rows a tensor has along a dimension; a scalar is a row of one."""
    sizes = list(tensor.shape)
    if sizes:
        del sizes[dim]
    return product(sizes)


@formula("aten::sum", case=Case({"self": (3, 4)}, (3,), Cost(add=3 * (4 - 1))))
def total(self: TensorSpec, out: TensorSpec) -> Cost:
    """x1 + x2 + ... + xL: n - m additions."""
    return summed(self, self.numel, out.numel)


@formula("aten::mean", case=Case({"self": (3, 4)}, (3,), Cost(add=3 * (4 - 1), divide=3)))
def mean(self: TensorSpec, out: TensorSpec) -> Cost:
    """sum(x) / L: n - m additions, m divisions (a complex number by a real one is two)."""
    return summed(self, self.numel, out.numel) + Cost(divide=out.numel * (2 if self.is_complex else 1))


@formula("aten::nansum", case=Case({"self": (3, 4)}, (3,), Cost(compare=2 * 12, add=3 * (4 - 1))))
def nansum(self: TensorSpec, out: TensorSpec) -> Cost:
    """sum(0 where x != x, else x): n comparisons, n selections, n - m additions."""
    return Cost(compare=2 * self.numel) + summed(self, self.numel, out.numel)


@formula("aten::prod", case=Case({"self": (3, 4)}, (3,), Cost(multiply=3 * (4 - 1))))
def prod(self: TensorSpec, out: TensorSpec) -> Cost:
    """x1 * x2 * ... * xL: n - m multiplications."""
    return multiplied(self, reduced(self.numel, out.numel))


def _variance(x: TensorSpec, results: int) -> Cost:
    n, joins = x.numel, reduced(x.numel, results)
    if x.is_complex:
        return Cost(add=3 * joins + 3 * n, multiply=2 * n, divide=3 * results)
    return Cost(add=2 * joins + n, multiply=n, divide=2 * results)


@formula(
    "aten::var",
    "aten::var_mean",
    case=Case({"self": (3, 4)}, (3,), Cost(add=2 * 3 * 3 + 12, multiply=12, divide=2 * 3)),
)
def var(self: TensorSpec, out: Result) -> Cost:
    """m = sum(x) / L; v = sum((x - m)^2) / (L - correction): 2(n - m) + n additions, n squares, 2m divisions.

    Complex: |z|^2 = re*re + im*im. Left out: L - correction, one number for all.
    """
    return _variance(self, first(out).numel)


@formula(
    "aten::std", "aten::std_mean", case=Case({"self": (4,)}, (), Cost(add=2 * 3 + 4, multiply=4, divide=2, special=1))
)
def std(self: TensorSpec, out: Result) -> Cost:
    """sqrt(var(x)): m square roots more than the variance."""
    return _variance(self, first(out).numel) + Cost(special=first(out).numel)


@formula(
    "aten::amax", "aten::amin", "aten::max", "aten::min", "aten::argmax", "aten::argmin", "aten::all", "aten::any",
    "aten::hash_tensor", "aten::_is_all_true", "aten::_is_any_true",
    case=Case({"self": (3, 4)}, (3,), Cost(compare=3 * (4 - 1))),
)  # fmt: skip
def extreme(self: TensorSpec, out: Result) -> Cost:
    """Of two the larger, the smaller, their `and`, `or`, `xor`: n - m comparisons."""
    return Cost(compare=reduced(self.numel, first(out).numel))


@formula(
    "aten::max.other", "aten::max.out", "aten::min.other", "aten::min.out",
    case=Case({"self": (3, 4), "other": (4,)}, (3, 4), Cost(compare=12)),
)  # fmt: skip
def pairwise_extreme(out: TensorSpec) -> Cost:
    """Of two tensors the larger or smaller, element by element: n comparisons."""
    return Cost(compare=out.numel)


@formula("aten::aminmax", "aten::_aminmax", case=Case({"self": (3, 4)}, ((3,), (3,)), Cost(compare=2 * 3 * (4 - 1))))
def aminmax(self: TensorSpec, out: tuple[TensorSpec, ...]) -> Cost:
    """The smallest and the largest: 2(n - m) comparisons."""
    return Cost(compare=2 * reduced(self.numel, first(out).numel))


def _powers(x: TensorSpec, p: float, results: int) -> Cost:
    n, joins = x.numel, reduced(x.numel, results)
    absolute = Cost(multiply=2 * n, add=n, special=n) if x.is_complex else Cost(compare=n)
    if p == 2:
        return (Cost(multiply=2 * n, add=n) if x.is_complex else Cost(multiply=n)) + Cost(add=joins)
    if p in (inf, -inf):
        return absolute + Cost(compare=joins)
    if p == 0:
        return Cost(compare=3 * n if x.is_complex else n, add=joins)
    if p == 1:
        return absolute + Cost(add=joins)
    return absolute + Cost(special=n, add=joins)


def vector_norm(x: TensorSpec, p: float, results: int) -> Cost:
    """(sum |x|^p)^(1/p) over n elements, m results.

    p = 2: n squares, n - m additions, m roots (complex: re*re + im*im each). p = 1: n absolute values. p = inf, -inf:
    n absolute values, n - m comparisons. p = 0: n comparisons with zero, counted. Other p: n absolute values, n powers,
    m roots. A complex absolute value is sqrt(re*re + im*im), and a
    complex number is not zero if re or im is not.
    """
    root = 0 if p in (0, 1, inf, -inf) else results
    return _powers(x, p, results) + Cost(special=root)


@formula("aten::linalg_vector_norm", case=Case({"self": (3, 4)}, (3,), Cost(multiply=12, add=3 * (4 - 1), special=3)))
def linalg_vector_norm(self: TensorSpec, out: TensorSpec, ord: float = 2) -> Cost:
    """(sum |x|^p)^(1/p): for p = 2, n squares, n - m additions, m square roots."""
    return vector_norm(self, ord, out.numel)


@formula("aten::norm", "aten::native_norm", case=Case({"self": (12,), "p": 1}, (), Cost(compare=12, add=11)))
def norm(self: TensorSpec, out: TensorSpec, p: float | None = 2) -> Cost:
    """(sum |x|^p)^(1/p): for p = 2, n squares, n - m additions, m square roots."""
    return vector_norm(self, 2 if p is None else p, out.numel)


@formula("aten::linalg__powsum", case=Case({"self": (3, 4), "ord": 3}, (3,), Cost(compare=12, special=12, add=9)))
def powsum(self: TensorSpec, out: TensorSpec, ord: float = 2) -> Cost:
    """|x1|^p + |x2|^p + ...: a vector norm before its root is taken."""
    return _powers(self, ord, out.numel)


@formula("aten::cumsum", case=Case({"self": (3, 4), "dim": 1}, (3, 4), Cost(add=3 * (4 - 1))))
def cumsum(self: TensorSpec, dim: int) -> Cost:
    """y1 = x1, yi = y(i-1) + xi: L - 1 additions a row."""
    return summed(self, self.numel, rows(self, dim))


@formula("aten::cumprod", case=Case({"self": (3, 4), "dim": 1}, (3, 4), Cost(multiply=3 * (4 - 1))))
def cumprod(self: TensorSpec, dim: int) -> Cost:
    """y1 = x1, yi = y(i-1) * xi: L - 1 multiplications a row."""
    return multiplied(self, reduced(self.numel, rows(self, dim)))


@formula(
    "aten::cummax", "aten::cummin", "aten::_cummax_helper", "aten::_cummin_helper",
    case=Case({"self": (3, 4), "dim": 1}, ((3, 4), (3, 4)), Cost(compare=3 * (4 - 1))),
)  # fmt: skip
def cummax(self: TensorSpec, dim: int) -> Cost:
    """y1 = x1, yi = max(y(i-1), xi): L - 1 comparisons a row."""
    return Cost(compare=reduced(self.numel, rows(self, dim)))


@formula("aten::count_nonzero", case=Case({"self": (3, 4)}, (3,), Cost(compare=12, add=3 * (4 - 1))))
def count_nonzero(self: TensorSpec, out: TensorSpec) -> Cost:
    """sum(x != 0): n comparisons, n - m additions."""
    return Cost(compare=self.numel, add=reduced(self.numel, out.numel))


@formula("aten::trace", case=Case({"self": (3, 4)}, (), Cost(add=3 - 1)))
def trace(self: TensorSpec) -> Cost:
    """x11 + x22 + ...: one addition fewer than the diagonal is long."""
    return summed(self, min(self.shape), 1)


@formula("aten::histc", case=Case({"self": (12,), "min": 0, "max": 1}, (5,), Cost(compare=36, add=24, multiply=12)))
def histc(self: TensorSpec, min: float = 0, max: float = 0) -> Cost:
    """floor((x - min) * (bins / (max - min))), and 1 added to that bin if min <= x <= max.

    Each element: 2 comparisons with the limits, 1 subtraction, 1 multiplication, 1 floor, 1 addition. Limits that are
    equal mean those of the data: 2(n - 1) comparisons. Left out: bins / (max - min), one number for all.
    """
    n = self.numel
    limits = 2 * reduced(n, 1) if min == max else 0
    return Cost(compare=3 * n + limits, add=2 * n, multiply=n)


@formula("aten::bincount", case=Case({"self": (12,)}, (5,), Cost(add=12)))
def bincount(self: TensorSpec) -> Cost:
    """1, or a weight, is added to the bin that each element names: n additions."""
    return Cost(add=self.numel)
