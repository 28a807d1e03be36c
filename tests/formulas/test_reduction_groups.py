from __future__ import annotations

import math
from functools import reduce as fold
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import torch
from oracle import Scalar, maximum, minimum, select, total, value
from proof import Call, Proof, proven, tensor, unproven

JOINS = {
    "sum": lambda a, b: a + b,
    "mean": lambda a, b: a + b,
    "prod": lambda a, b: a * b,
    "max": maximum,
    "min": minimum,
}


def segments(lengths: np.ndarray) -> list[range]:
    ends = np.cumsum([0, *lengths])
    return [range(a, b) for a, b in pairwise(ends)]


def segment_reduce(data, reduce, lengths, initial, out_shape):
    out = np.empty(out_shape, dtype=object)
    for s, rows in enumerate(segments(lengths)):
        for rest in np.ndindex(*data.shape[1:]):
            column = [data[(row, *rest)] for row in rows]
            column = column if initial is None else [initial, *column]
            y = fold(JOINS[reduce], column)
            out[(s, *rest)] = y / len(rows) if reduce == "mean" else y
    return out


def segment_reduce_backward(grad, output, data, reduce, lengths):
    out = np.empty_like(data)
    for s, rows in enumerate(segments(lengths)):
        for rest in np.ndindex(*data.shape[1:]):
            at = (s, *rest)
            column = [(row, *rest) for row in rows]
            if reduce in ("max", "min"):
                same = [data[place] == output[at] for place in column]
                share = grad[at] / total(same)
                for place, equal in zip(column, same, strict=True):
                    out[place] = select(equal, share, 0.0)
                continue
            dy = grad[at] / len(rows) if reduce == "mean" else grad[at]
            dy = dy * output[at] if reduce == "prod" else dy
            for place in column:
                out[place] = dy / data[place] if reduce == "prod" else dy
    return out


def limits(column: list[Any], given_: Any) -> tuple[float, float]:
    if given_ is not None:
        return given_
    low, high = value(fold(minimum, column)), value(fold(maximum, column))
    return (low, high) if low < high else (low - 1, high + 1)


def place(x: Any, low: float, high: float, bins: int) -> tuple[int, bool]:
    inside = [x >= low, x <= high]
    spot = math.floor(value(minimum((x - low) * (bins / (high - low)), math.inf)))
    return min(max(spot, 0), bins - 1), all(map(bool, inside))


def search(edges: list[Any], x: Any) -> int:
    spot = 0
    for bit in reversed(range(math.ceil(math.log2(len(edges) + 1)))):
        probe = spot + 2**bit
        edge = edges[probe - 1] if probe <= len(edges) else Scalar(math.inf)
        spot = probe if edge <= x else spot
    return spot


def filled(points: list[tuple[tuple[int, ...], bool]], shape: tuple[int, ...]) -> np.ndarray:
    hist = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        hist[index] = Scalar(0.0)
    for spot, inside in points:
        spot = tuple(min(max(s, 0), n - 1) for s, n in zip(spot, shape, strict=True))
        hist[spot] = hist[spot] + (1.0 if inside else 0.0)
    return hist


def dense(hist: np.ndarray, edges: list[list[Any]]) -> np.ndarray:
    whole = total(list(hist.ravel()))
    out = np.empty_like(hist)
    for index in np.ndindex(*hist.shape):
        size = whole
        for k, axis in zip(index, edges, strict=True):
            size = size * (Scalar(value(axis[k + 1])) - axis[k])
        out[index] = hist[index] / size
    return out


def grid(low: float, high: float, bins: int) -> list[float]:
    return [low + (high - low) * k / bins for k in range(bins + 1)]


def histogramdd(self, bins, range, density):
    points = self.reshape(-1, self.shape[-1])
    bounds = [
        limits(list(points[:, d]), None if range is None else (range[2 * d], range[2 * d + 1]))
        for d in np.arange(points.shape[1])
    ]
    found = []
    for point in points:
        spots = [place(x, *bound, n) for x, bound, n in zip(point, bounds, bins, strict=True)]
        found.append((tuple(s for s, _ in spots), all(inside for _, inside in spots)))
    hist = filled(found, tuple(bins))
    return dense(hist, [grid(*bound, n) for bound, n in zip(bounds, bins, strict=True)]) if density else hist


def histogram(self, bins, range, density):
    return histogramdd(self.reshape(-1, 1), [bins], range, density)


def histogramdd_of_edges(self, bins, density):
    found = []
    for point in self.reshape(-1, self.shape[-1]):
        spots = [search(list(edges), x) - 1 for x, edges in zip(point, bins, strict=True)]
        sizes = [len(edges) - 1 for edges in bins]
        found.append((tuple(spots), all(0 <= s < n for s, n in zip(spots, sizes, strict=True))))
    hist = filled(found, tuple(len(edges) - 1 for edges in bins))
    return dense(hist, [list(edges) for edges in bins]) if density else hist


def histogram_of_edges(self, bins, density):
    return histogramdd_of_edges(self.reshape(-1, 1), [bins], density)


def edges_of(self, bins, range):
    points = self.reshape(-1, self.shape[-1])
    for d in np.arange(points.shape[1]):
        limits(list(points[:, d]), None if range is None else (0.0, 1.0))


@st.composite
def segmented(draw: Any, backward: bool = False) -> Any:
    lengths = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    data = tensor(sum(lengths), 2)
    how = draw(st.sampled_from(list(JOINS)))
    given_: dict[str, Any] = {"data": data, "reduce": how, "lengths": torch.tensor(lengths)}
    if backward:
        output = torch.segment_reduce(data, how, lengths=given_["lengths"])
        return Call(given_ | {"grad": tensor(len(lengths), 2, seed=1), "output": output})
    initial = draw(st.sampled_from([None, 1.0])) if how != "mean" else None
    return Call(given_ | {"initial": initial})


DENSITY = st.booleans()
RANGES = st.sampled_from([None, (0.2, 1.7)])
COUNTS = st.tuples(st.integers(2, 9), st.integers(1, 4), RANGES, DENSITY).map(
    lambda it: Call(
        {"self": tensor(it[0]), "bins": it[1], "range": None if it[2] is None else list(it[2]), "density": it[3]},
        "bin_ct",
    )
)
EDGES = st.tuples(st.integers(1, 9), st.integers(2, 6), DENSITY).map(
    lambda it: Call(
        {"self": tensor(it[0]), "bins": tensor(it[1], seed=1).sort().values, "density": it[2]}, "bins_tensor"
    )
)


@st.composite
def several(draw: Any, kind: str) -> Any:
    points = tensor(draw(st.integers(2, 6)), 2)
    density = {"density": draw(DENSITY)}
    if kind == "tensors":
        bins = [tensor(draw(st.integers(2, 4)), seed=k + 1).sort().values for k in (0, 1)]
        return Call({"self": points, "bins": bins} | density)
    given_ = {"self": points, "bins": [draw(st.integers(1, 3)), draw(st.integers(1, 3))], "range": draw(RANGES)}
    given_["range"] = None if given_["range"] is None else [*given_["range"], 0.1, 1.9]
    return Call(given_ | (density if kind == "counts" else {}))


PROOFS = {
    "aten::segment_reduce": Proof(segment_reduce, segmented()),
    "aten::_segment_reduce_backward": Proof(segment_reduce_backward, segmented(backward=True)),
    "aten::histogram": Proof(histogram, COUNTS),
    "aten::histogram.bins_tensor": Proof(histogram_of_edges, EDGES, alike=False),
    "aten::_histogramdd_from_bin_cts": Proof(histogramdd, several("counts")),
    "aten::_histogramdd_from_bin_tensors": Proof(histogramdd_of_edges, several("tensors"), alike=False),
    "aten::_histogramdd_bin_edges": Proof(edges_of, several("edges"), alike=False),
}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "reduction_groups") == set()
