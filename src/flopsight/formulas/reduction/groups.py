"""Reductions of groups: segments of a row, bins of a histogram.   n elements · m results · D coordinates of a point

Which element belongs to which group stands in values, which a formula does not see: no segment is taken to be empty.
"""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import ZERO, Cost, TensorSpec
from flopsight.formulas.parts import reduced
from flopsight.formulas.reduction.whole import Result, first
from flopsight.formulas.registry import Case, formula
from flopsight.formulas.sorting import log2_ceil

PLACE = Cost(compare=3, add=1, multiply=1)
"""low <= x <= high, and floor((x - low) * (bins / (high - low))), the factor being one number for all"""


@formula(
    "aten::segment_reduce",
    case=Case({"data": (6, 4), "reduce": "mean"}, (3, 4), Cost(add=(6 - 3) * 4, divide=12)),
)
def segment_reduce(data: TensorSpec, reduce: str, out: TensorSpec, initial: float | None = None) -> Cost:
    """y = x1 + x2 + ..., x1 * x2 * ... or the largest of a segment: n - m steps, n from an initial value.

    Mean: and m divisions.
    """
    n, m = data.numel, out.numel
    steps = reduced(n, m) if initial is None else n
    if reduce in ("max", "min"):
        return Cost(compare=steps)
    if reduce == "prod":
        return Cost(multiply=steps)
    return Cost(add=steps, divide=m if reduce == "mean" else 0)


@formula(
    "aten::_segment_reduce_backward",
    case=Case(
        {"grad": (3, 4), "data": (6, 4), "reduce": "max"}, (6, 4), Cost(compare=2 * 24, add=(6 - 3) * 4, divide=12)
    ),
)
def segment_reduce_backward(grad: TensorSpec, data: TensorSpec, reduce: str) -> Cost:
    """dx = dy; mean: dy / length; prod: dy * y / x; max, min: dy / (how often) where x = y, else 0.

    Mean: m divisions. Prod: m products, n divisions. Max and min: n comparisons, n - m counts, m divisions,
    n selections.
    """
    n, m = data.numel, grad.numel
    if reduce == "mean":
        return Cost(divide=m)
    if reduce == "prod":
        return Cost(multiply=m, divide=n)
    if reduce in ("max", "min"):
        return Cost(compare=2 * n, add=reduced(n, m), divide=m)
    return ZERO


def _density(bins: int, dimensions: int) -> Cost:
    """hist / (sum(hist) * width): for each bin its width (a product of D), a product and a division."""
    return Cost(add=reduced(bins, 1) + dimensions * bins, multiply=dimensions * bins, divide=bins)


@formula(
    "aten::histogram",
    case=Case({"self": (12,), "range": [0.0, 1.0]}, ((5,), (6,)), 12 * PLACE + Cost(add=12)),
)  # fmt: skip
def histogram(self: TensorSpec, out: Result, range: Sequence[float] | None = None, density: bool = False) -> Cost:
    """floor((x - low) * (bins / (high - low))), and 1 or a weight is added to that bin: 7 operations an element.

    2 comparisons with the limits, 1 subtraction, 1 multiplication, 1 floor, 1 addition. Without a range, the limits are
    those of the data: 2(n - 1) comparisons. Density divides each bin by the total and its width.
    """
    n = self.numel
    limits = Cost(compare=2 * reduced(n, 1)) if range is None else ZERO
    return n * PLACE + Cost(add=n) + limits + (_density(first(out).numel, 1) if density else ZERO)


@formula(
    "aten::histogram.bins_tensor",
    case=Case({"self": (12,), "bins": (6,)}, ((5,), (6,)), Cost(compare=12 * 3, add=12)),
)
def histogram_of_edges(self: TensorSpec, bins: TensorSpec, out: Result, density: bool = False) -> Cost:
    """A binary search among the edges, log(edges + 1) comparisons, and 1 or a weight is added to that bin."""
    search = Cost(compare=log2_ceil(bins.numel + 1), add=1)
    return self.numel * search + (_density(first(out).numel, 1) if density else ZERO)


@formula(
    "aten::_histogramdd_from_bin_cts",
    case=Case({"self": (12, 2), "range": [0.0, 1.0, 0.0, 1.0]}, (5, 5), 24 * PLACE + Cost(add=12)),
)
def histogramdd(self: TensorSpec, out: TensorSpec, range: Sequence[float] | None = None, density: bool = False) -> Cost:
    """The bin of each of D coordinates, 6 operations each, and 1 or a weight is added to the bin of each point.

    Without a range, the limits are those of the data: 2 comparisons a coordinate more. Density as in histogram.
    """
    points, D = self.numel // self.shape[-1], self.shape[-1]
    limits = Cost(compare=2 * reduced(self.numel, D)) if range is None else ZERO
    return self.numel * PLACE + Cost(add=points) + limits + (_density(out.numel, D) if density else ZERO)


@formula(
    "aten::_histogramdd_from_bin_tensors",
    case=Case({"self": (12, 2), "bins": ((6,), (4,))}, (5, 3), Cost(compare=12 * 3 + 12 * 3, add=12)),
)
def histogramdd_of_edges(self: TensorSpec, bins: Sequence[TensorSpec], out: TensorSpec, density: bool = False) -> Cost:
    """A binary search among the edges for each of D coordinates, and 1 or a weight is added to a point's bin."""
    points, D = self.numel // self.shape[-1], self.shape[-1]
    searches = sum(log2_ceil(edges.numel + 1) for edges in bins)
    return points * Cost(compare=searches, add=1) + (_density(out.numel, D) if density else ZERO)


@formula("aten::_histogramdd_bin_edges", case=Case({"self": (12, 2)}, ((6,), (6,)), Cost(compare=2 * (24 - 2))))
def histogramdd_edges(self: TensorSpec, range: Sequence[float] | None = None) -> Cost:
    """Edges at equal distances between the limits; without a range, those of the data: 2(n - D) comparisons."""
    return ZERO if range is not None else Cost(compare=2 * reduced(self.numel, self.shape[-1]))
