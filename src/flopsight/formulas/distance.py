"""Distances between all pairs of rows, and products of three tensors.

P rows of one side · R rows of the other · D width · B batch
"""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec, contraction, product
from flopsight.formulas.parts import reduced
from flopsight.formulas.registry import Case, formula

INFINITY = float("inf")


def distances(pairs: int, width: int, p: float) -> Cost:
    """(sum of |a - b|^p)^(1/p); p = 2: sqrt of a sum of squares; 1: a sum; infinity: the largest; 0: a count."""
    size = pairs * width
    joins = reduced(size, pairs)
    differences = Cost(add=size)
    if p == 2:
        return differences + Cost(multiply=size, add=joins, special=pairs)
    if p == 1:
        return differences + Cost(compare=size, add=joins)
    if p == INFINITY:
        return differences + Cost(compare=size + joins)
    if p == 0:
        return Cost(compare=size, add=joins)
    return differences + Cost(compare=size, special=size + pairs, add=joins)


@formula(
    "aten::_cdist_forward",
    case=Case({"x1": (2, 4, 5), "p": 2.0}, (2, 4, 3), Cost(multiply=24 * 5, add=24 * (5 + 4), special=24)),
)
def cdist(x1: TensorSpec, p: float, out: TensorSpec) -> Cost:
    """B*P*R distances of width D; for p = 2: D differences, D squares, D - 1 additions and a square root each."""
    return distances(out.numel, x1.shape[-1], p)


@formula(
    "aten::_pdist_forward",
    case=Case({"self": (4, 5), "p": 2.0}, (6,), Cost(multiply=6 * 5, add=6 * (5 + 4), special=6)),
)
def pdist(self: TensorSpec, out: TensorSpec, p: float = 2.0) -> Cost:
    """P(P - 1)/2 distances of width D."""
    return distances(out.numel, self.shape[-1], p)


@formula(
    "aten::_euclidean_dist",
    case=Case(
        {"x1": (2, 4, 5), "x2": (2, 3, 5)},
        (2, 4, 3),
        Cost(macs=24 * 7, results=24, multiply=(40 + 30) + 40, add=(40 - 8) + (30 - 6), compare=24, special=24),
    ),
)
def euclidean(x1: TensorSpec, x2: TensorSpec, out: TensorSpec) -> Cost:
    """sqrt(max([-2*a, |a|^2, 1] . [b, 1, |b|^2], 0)): dot products of length D + 2, and the squares of both sides."""
    sides = Cost(multiply=x1.numel + x2.numel + x1.numel)
    sums = reduced(x1.numel, product(x1.shape[:-1])) + reduced(x2.numel, product(x2.shape[:-1]))
    own = contraction(outputs=out.numel, length=x1.shape[-1] + 2) + Cost(compare=out.numel, special=out.numel)
    return own + sides + Cost(add=sums)


def distance_gradients(pairs: int, width: int, p: float) -> Cost:
    """What each pair adds to the gradient of one side, before it is summed.

    p = 2: g / dist once, times a - b. 1: g times the sign of a - b. Infinity: that if |a - b| is dist, else 0.
    Other p: (a - b) |a - b|^(p - 2) * (g / dist^(p - 1)). Where dist is 0 the gradient is: one comparison a pair.
    """
    size = pairs * width
    if p == 0:
        return ZERO
    differences = Cost(add=size)
    if p == 1:
        return differences + Cost(compare=size, multiply=size)
    safe = Cost(compare=pairs)
    if p == 2:
        return differences + safe + Cost(divide=pairs, multiply=size)
    if p == INFINITY:
        return differences + Cost(compare=4 * size, multiply=size)
    return differences + safe + Cost(compare=size, special=size + pairs, divide=pairs, multiply=2 * size)


@formula(
    "aten::_cdist_backward",
    case=Case(
        {"x1": (2, 4, 5), "p": 2.0, "cdist": (2, 4, 3)},
        (2, 4, 5),
        Cost(add=24 * 5 + 24 * 5 - 40, multiply=24 * 5, divide=24, compare=24),
    ),
)
def cdist_backward(x1: TensorSpec, p: float, cdist: TensorSpec, out: TensorSpec) -> Cost:
    """B*P*R pairs, width D, summed over R; for p = 2: D differences and products, a division and a comparison each."""
    pairs = cdist.numel
    sums = Cost(add=reduced(pairs * x1.shape[-1], out.numel)) if p != 0 else ZERO
    return distance_gradients(pairs, x1.shape[-1], p) + sums


@formula(
    "aten::_pdist_backward",
    case=Case(
        {"self": (4, 5), "p": 2.0, "pdist": (6,)},
        (4, 5),
        Cost(add=6 * 5 + 2 * 6 * 5 - 20, multiply=6 * 5, divide=6, compare=6),
    ),
)
def pdist_backward(self: TensorSpec, p: float, pdist: TensorSpec) -> Cost:
    """P(P - 1)/2 pairs, width D, each added to one row and subtracted from another."""
    size = pdist.numel * self.shape[-1]
    sums = Cost(add=reduced(2 * size, self.numel)) if p != 0 else ZERO
    return distance_gradients(pdist.numel, self.shape[-1], p) + sums


@formula(
    "aten::_trilinear",
    family="contraction",
    case=Case(
        {
            "i1": (2, 4),
            "i2": (6, 4, 5),
            "i3": (2, 5),
            "expand1": [1, 3],
            "expand2": [0],
            "expand3": [1, 2],
            "sumdim": [2, 3],
        },
        (2, 6),
        Cost(macs=2 * 6 * 5 * 4 + 2 * 6 * 5, results=2 * 6 * 5 + 2 * 6),
    ),
)
def trilinear(
    i1: TensorSpec,
    i2: TensorSpec,
    i3: TensorSpec,
    expand1: list[int],
    expand2: list[int],
    expand3: list[int],
    sumdim: list[int],
    out: TensorSpec,
) -> Cost:
    """Sums of i1 * i2 * i3, those i1 and i2 have alone first: two contractions. Bilinear layer: B*O*J*I, then B*O*J."""
    sides = [_expanded(side, at) for side, at in ((i1, expand1), (i2, expand2), (i3, expand3))]
    dims = range(len(sides[0]))
    pair = [b if dim in expand1 else a for dim, a, b in zip(dims, sides[0], sides[1], strict=True)]
    first = [dim for dim in sumdim if dim in expand3]
    inner = product(pair[dim] for dim in first)
    kept = product(pair[dim] for dim in dims if dim not in first)
    rest = product(_size(sides, dim) for dim in sumdim if dim not in first)
    return _two_steps(kept, inner, out.numel, rest)


def _two_steps(kept: int, inner: int, outputs: int, rest: int) -> Cost:
    return contraction(outputs=kept, length=inner) + contraction(outputs=outputs, length=rest)


def _expanded(side: TensorSpec, at: list[int]) -> list[int]:
    """The shape with a 1 at each of these places."""
    sizes = list(side.shape)
    for dim in sorted(at):
        sizes.insert(dim, 1)
    return sizes


def _size(sides: list[list[int]], dim: int) -> int:
    return max(side[dim] for side in sides)
