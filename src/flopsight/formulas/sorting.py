"""Sorting, searching and selecting.   n elements a row · M rows · k wanted · log(n) = ceil(log2(n))

Sorting is merging: log(n) passes over a row, in each of which every element is placed by one comparison.
"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec, product
from flopsight.formulas.parts import reduced
from flopsight.formulas.reduction.whole import rows
from flopsight.formulas.registry import Case, formula


def log2_ceil(n: int) -> int:
    """ceil(log2(n)), 0 for n below 2."""
    return (n - 1).bit_length() if n > 1 else 0


def _length(tensor: TensorSpec, dim: int) -> int:
    return tensor.shape[dim] if tensor.shape else 1


def _sorted(tensor: TensorSpec, dim: int) -> Cost:
    return Cost(compare=tensor.numel * log2_ceil(_length(tensor, dim)))


@formula(
    "aten::sort", "aten::kthvalue", "aten::argsort",
    case=Case({"self": (3, 5)}, ((3, 5), (3, 5)), Cost(compare=15 * 3)),
)  # fmt: skip
def sort(self: TensorSpec, dim: int = -1) -> Cost:
    """A merge sort of each row: n * log(n) comparisons; the k-th value is picked from the sorted row."""
    return _sorted(self, dim)


@formula("aten::median", case=Case({"self": (3, 5)}, (), Cost(compare=15 * 4)))
def median(self: TensorSpec, dim: int | None = None) -> Cost:
    """The middle of each sorted row: n * log(n) comparisons."""
    return _sorted(TensorSpec((self.numel,)) if dim is None else self, -1 if dim is None else dim)


@formula("aten::nanmedian", case=Case({"self": (3, 5)}, (), Cost(compare=15 * 4 + 15, add=14)))
def nanmedian(self: TensorSpec, dim: int | None = None) -> Cost:
    """The middle of what is a number in each sorted row: x != x for every element, and their count, besides a sort."""
    M = 1 if dim is None else rows(self, dim)
    return median(self, dim) + Cost(compare=self.numel, add=reduced(self.numel, M))


@formula("aten::mode", case=Case({"self": (3, 5)}, ((3,), (3,)), Cost(compare=15 * 3 + 2 * 12, add=12)))
def mode(self: TensorSpec, dim: int = -1) -> Cost:
    """The longest run of a sorted row: n - 1 comparisons of neighbours, n - 1 counts, n - 1 comparisons of counts."""
    steps = reduced(self.numel, rows(self, dim))
    return _sorted(self, dim) + Cost(compare=2 * steps, add=steps)


@formula("aten::topk", case=Case({"self": (3, 5), "k": 2}, ((3, 2), (3, 2)), Cost(compare=3 * (5 - 1 + 1 * 3))))
def topk(self: TensorSpec, k: int, dim: int = -1) -> Cost:
    """A tournament: n - 1 comparisons for the first, then log(n) for each of the k - 1 that follow."""
    n, M = _length(self, dim), rows(self, dim)
    if isinstance(k, int) and k == 0:
        return Cost()
    return Cost(compare=M * (n - 1 + (k - 1) * log2_ceil(n)))


@formula("aten::_unique", "aten::_unique2", case=Case({"self": (3, 5)}, ((15,), (0,), (0,)), Cost(compare=15 * 4 + 14)))
def unique(self: TensorSpec) -> Cost:
    """A sort of all elements, and n - 1 comparisons of neighbours. Left out: counting what is equal."""
    n = self.numel
    return Cost(compare=n * log2_ceil(n) + reduced(n, 1))


@formula("aten::unique_dim", case=Case({"self": (3, 5), "dim": 0}, ((3, 5), (0,), (0,)), Cost(compare=15 * 2 + 2 * 5)))
def unique_dim(self: TensorSpec, dim: int) -> Cost:
    """A sort of n slices of M elements, and n - 1 comparisons of neighbours; slices are compared whole."""
    return _sorted(self, dim) + Cost(compare=reduced(self.numel, rows(self, dim)))


@formula(
    "aten::unique_consecutive", "aten::unique_dim_consecutive",
    case=Case({"self": (3, 5)}, ((15,), (0,), (0,)), Cost(compare=14)),
)  # fmt: skip
def unique_consecutive(self: TensorSpec, dim: int | None = None) -> Cost:
    """Comparisons of neighbours: n - 1, each of M elements along a dimension."""
    return Cost(compare=reduced(self.numel, 1 if dim is None else rows(self, dim)))


def _searches(count: int, boundaries: int) -> Cost:
    return Cost(compare=count * log2_ceil(boundaries + 1))


@formula("aten::searchsorted", case=Case({"sorted_sequence": (7,)}, (4,), Cost(compare=4 * 3)))
def searchsorted(sorted_sequence: TensorSpec, out: TensorSpec) -> Cost:
    """A binary search among n + 1 places: log(n + 1) comparisons an element."""
    return _searches(out.numel, sorted_sequence.shape[-1])


@formula("aten::bucketize", case=Case({"boundaries": (7,)}, (4,), Cost(compare=4 * 3)))
def bucketize(boundaries: TensorSpec, out: TensorSpec) -> Cost:
    """A binary search among n + 1 places: log(n + 1) comparisons an element."""
    return _searches(out.numel, boundaries.numel)


@formula("aten::nonzero", "aten::nonzero_static", case=Case({"self": (3, 5)}, (4, 2), Cost(compare=15)))
def nonzero(self: TensorSpec) -> Cost:
    """x != 0 for every element: n comparisons."""
    return Cost(compare=self.numel)


@formula("aten::masked_select", case=Case({"self": (3, 5), "mask": (3, 5)}, (4,), Cost(compare=15)))
def masked_select(self: TensorSpec, mask: TensorSpec) -> Cost:
    """x is kept where the mask holds: one selection an element of the common shape."""
    deepest = max(self.ndim, mask.ndim)
    shapes = [(1,) * (deepest - tensor.ndim) + tensor.shape for tensor in (self, mask)]
    return Cost(compare=product(b if a == 1 else a for a, b in zip(*shapes, strict=True)))


@formula("aten::masked_scatter", case=Case({}, (3, 5), Cost(compare=15)))
def masked_scatter(out: TensorSpec) -> Cost:
    """The next element of source where the mask holds, else x: one selection an element."""
    return Cost(compare=out.numel)
