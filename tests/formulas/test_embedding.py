from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from oracle import Complex, Scalar, maximum, minimum, select, total
from proof import Call, Proof, proven, tensor, unproven


def zeros(*shape: int) -> np.ndarray:
    out = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        out[index] = Scalar(0.0)
    return out


def by_frequency(indices: np.ndarray) -> list[float]:
    """How often each row is looked up, and 1 added for each time it is."""
    flat = indices.ravel()
    found = [Scalar(0.0) for _ in range(max(flat, default=-1) + 1)]
    for row in flat:
        found[row] = found[row] + 1.0
    return [count.value for count in found]


def embedding_backward(grad_output, indices, num_weights, scale_grad_by_freq):
    out = zeros(num_weights, grad_output.shape[-1])
    counts = by_frequency(indices) if scale_grad_by_freq else []
    for place in np.ndindex(*indices.shape):
        for d in range(out.shape[1]):
            dy = grad_output[(*place, d)]
            row = indices[place]
            out[row, d] = out[row, d] + (dy / counts[row] if scale_grad_by_freq else dy)
    return out


def bags(offsets: np.ndarray, count: int, include_last_offset: bool = False) -> list[range]:
    ends = list(offsets) if include_last_offset else [*offsets, count]
    return [range(a, b) for a, b in pairwise(ends)]


def embedding_bag(weight, indices, offsets, mode=0, per_sample_weights=None, include_last_offset=False):
    out = []
    for bag in bags(offsets, len(indices), include_last_offset):
        for d in range(weight.shape[1]):
            rows = [weight[indices[i], d] for i in bag]
            if mode == 2:
                best = rows[0]
                for x in rows[1:]:
                    best = maximum(best, x)
                out.append(best)
                continue
            if per_sample_weights is not None:
                rows = [x * per_sample_weights[i] for x, i in zip(rows, bag, strict=True)]
            out.append(total(rows) / len(rows) if mode == 1 else total(rows))
    made = np.empty(len(out), dtype=object)
    made[:] = out
    return made.reshape(-1, weight.shape[1])


def bag_backward(
    grad, indices, offset2bag, bag_size, maximum_indices, num_weights, scale_grad_by_freq, mode, per_sample_weights
):
    out = zeros(num_weights, grad.shape[1])
    if mode == 2:
        for b, d in np.ndindex(*grad.shape):
            row = maximum_indices[b, d]
            out[row, d] = out[row, d] + grad[b, d]
        return out
    counts = by_frequency(indices) if scale_grad_by_freq else []
    shared = grad.copy()
    if mode == 1:
        for b, d in np.ndindex(*grad.shape):
            shared[b, d] = grad[b, d] / float(bag_size[b])
    for i, row in enumerate(indices):
        for d in range(grad.shape[1]):
            dy = shared[offset2bag[i], d]
            dy = dy if per_sample_weights is None else dy * per_sample_weights[i]
            dy = dy / counts[row] if scale_grad_by_freq else dy
            out[row, d] = out[row, d] + dy
    return out


def sample_weights_backward(grad, weight, indices, offset2bag):
    rows = [[grad[offset2bag[i], d] * weight[row, d] for d in range(grad.shape[1])] for i, row in enumerate(indices)]
    return np.array([total(row) for row in rows], dtype=object)


JOINS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda a, b: a + b,
    "add": lambda a, b: a + b,
    "mean": lambda a, b: a + b,
    "prod": lambda a, b: a * b,
    "multiply": lambda a, b: a * b,
    "amax": maximum,
    "amin": minimum,
}


def index_add(self, dim, index, source, alpha):
    out = self.copy()
    for place in np.ndindex(*source.shape):
        x = source[place] if alpha == 1 else times(source[place], alpha)
        target = (*place[:dim], index[place[dim]], *place[dim + 1 :])
        out[target] = out[target] + x
    return out


def times(x: Any, factor: float) -> Any:
    return x * Complex(Scalar(factor), Scalar(0.0)) if isinstance(x, Complex) else x * factor


def scatter(self, dim, index, source, reduce):
    """Joins from self; the places are those in index."""
    out, counts = self.copy(), {}
    for place in np.ndindex(*index.shape):
        target = (*place[:dim], index[place], *place[dim + 1 :])
        out[target] = JOINS[reduce](out[target], source[place] if isinstance(source, np.ndarray) else source)
        if reduce == "mean":
            counts[target] = counts.get(target, Scalar(1.0)) + 1.0
    if reduce == "mean":
        for target in np.ndindex(*out.shape):
            out[target] = out[target] / counts.get(target, Scalar(1.0))
    return out


def scatter_add(self, dim, index, src):
    return scatter(self, dim, index, src, "sum")


def scatter_reduce(self, dim, index, src, reduce):
    return scatter(self, dim, index, src, reduce)


def scatter_join(self, dim, index, src=None, value=None, reduce=None):
    if reduce is None:
        return None
    return scatter(self, dim, index, value if src is None else src, reduce)


def index_reduce(self, dim, index, source, reduce):
    spread = np.moveaxis(np.broadcast_to(index, (*np.moveaxis(source, dim, -1).shape[:-1], len(index))), -1, dim)
    return scatter(self, dim, spread, source, reduce)


def places(shape: tuple[int, ...], indices: Any) -> np.ndarray:
    """Flat positions of what indices select."""
    flat = np.arange(int(np.prod(shape))).reshape(shape)
    return flat[tuple(slice(None) if i is None else i for i in indices)]


def index_put(self, indices, values, accumulate):
    if not accumulate:
        return None
    out = self.copy().ravel()
    spots = places(self.shape, indices)
    for spot, x in zip(spots.ravel(), np.broadcast_to(values, spots.shape).ravel(), strict=True):
        out[spot] = out[spot] + x
    return out.reshape(self.shape)


def put(self, index, source, accumulate):
    if not accumulate:
        return None
    out = self.copy().ravel()
    for spot, x in zip(index.ravel(), source.ravel(), strict=True):
        out[spot] = out[spot] + x
    return out.reshape(self.shape)


def masked_index(self, mask, indices, fill):
    found = self[tuple(indices)]
    out = found.copy()
    for place in np.ndindex(*out.shape):
        out[place] = select(mask[place], found[place], fill)
    return out


def masked_index_put(self, mask, indices, values):
    kept = values.copy()
    for place in np.ndindex(*kept.shape):
        kept[place] = select(mask[place], values[place], 0.0)
    return index_put(self, indices, kept, True)


FLAG = st.booleans()


def ints(low: int, high: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed))


@st.composite
def lookups(draw: Any) -> Any:
    shape = draw(st.lists(st.integers(0, 3), min_size=1, max_size=2))
    indices = ints(0, 5, *shape, seed=draw(st.integers(0, 9)))
    more = {"num_weights": 5, "padding_idx": -1, "scale_grad_by_freq": draw(FLAG)}
    return Call({"grad_output": tensor(*shape, 3), "indices": indices} | more)


@st.composite
def bagged(draw: Any, *, backward: str = "", last: bool = True) -> Any:
    lengths = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    count, weight = sum(lengths), tensor(6, 2)
    mode = draw(st.sampled_from((0, 1, 2)))
    given_: dict[str, Any] = {
        "weight": weight,
        "indices": ints(0, 6, count, seed=draw(st.integers(0, 9))),
        "offsets": torch.tensor([0, *np.cumsum(lengths)[:-1]]),
        "mode": 0 if backward == "weights" else mode,
    }
    if mode == 0 and draw(FLAG):
        given_["per_sample_weights"] = tensor(count, seed=1)
    if not backward:
        if draw(FLAG):
            given_["offsets"] = torch.tensor([0, *np.cumsum(lengths)])
            given_["include_last_offset"] = True
        return Call(given_)
    return from_forward(given_, backward, draw(FLAG), tensor(len(lengths), 2, seed=2))


def from_forward(given_: dict[str, Any], backward: str, by_freq: bool, grad: torch.Tensor) -> Call:
    _, _, size, best = torch.ops.aten._embedding_bag(**given_)
    offset2bag = torch.repeat_interleave(
        torch.arange(len(size)), torch.diff(given_["offsets"], append=torch.tensor([len(given_["indices"])]))
    )
    more = {"grad": grad, "offset2bag": offset2bag}
    if backward == "weights":
        kept = {name: given_[name] for name in ("weight", "indices", "offsets", "mode")}
        return Call(kept | more)
    kept = {name: given_[name] for name in ("indices", "mode")}
    more |= {"bag_size": size, "maximum_indices": best, "num_weights": 6}
    more |= {
        "scale_grad_by_freq": by_freq and given_["mode"] != 2,
        "per_sample_weights": given_.get("per_sample_weights"),
    }
    if backward == "whole":
        more |= {"offsets": given_["offsets"], "sparse": False}
    # the kernel for the CPU divides by the wrong counts
    return Call(kept | more, out=torch.empty(6, 2) if by_freq else None)


@st.composite
def added(draw: Any, *, reducing: bool = False) -> Any:
    dim = draw(st.integers(0, 1))
    count = draw(st.integers(0, 4))
    shape = [3, 4]
    target = tensor(
        *shape, dtype=torch.float64 if reducing else draw(st.sampled_from([torch.float64, torch.complex128]))
    )
    index = ints(0, shape[dim], count)
    shape[dim] = count
    source = tensor(*shape, seed=1, dtype=target.dtype)
    given_ = {"self": target, "dim": dim, "index": index, "source": source}
    if reducing:
        return Call(given_ | {"reduce": draw(st.sampled_from(["prod", "amax", "amin"]))})
    return Call(given_ | {"alpha": draw(st.sampled_from([1, 2]))})


@st.composite
def scattered(draw: Any, overload: str = "default", reduce: tuple[str, ...] = ()) -> Any:
    dim = draw(st.integers(0, 1))
    shape = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    given_ = {"self": tensor(3, 3), "dim": dim, "index": ints(0, 3, *shape)}
    if "value" in overload:
        given_["value"] = 2.0
    else:
        given_["src"] = tensor(3, 3, seed=1)
    return Call(given_ | ({"reduce": draw(st.sampled_from(reduce))} if reduce else {}), overload)


@st.composite
def put_calls(draw: Any, *, impl: bool = False) -> Any:
    kind = draw(st.sampled_from(["first", "second", "both", "mask", "grid"]))
    rows, columns = ints(0, 3, 4), ints(0, 4, 4, seed=1)
    mask = tensor(3) > 1
    indices, shape = {
        "first": ([rows], (4, 4)),
        "second": ([None, columns], (3, 4)),
        "both": ([rows, columns], (4,)),
        "mask": ([mask], (int(mask.sum()), 4)),
        "grid": ([ints(0, 3, 2, 1), ints(0, 4, 3)], (2, 3)),
    }[kind]
    values = tensor(*shape, seed=2) if kind == "mask" or draw(FLAG) else tensor(1, seed=2)
    return Call({"self": tensor(3, 4), "indices": indices, "values": values, "accumulate": draw(FLAG)})


PUTS = st.tuples(st.integers(0, 4), FLAG).map(
    lambda it: Call({"self": tensor(3, 4), "index": ints(0, 12, it[0]), "source": tensor(it[0]), "accumulate": it[1]})
)
MASKED = st.integers(1, 4).map(
    lambda n: {"self": tensor(3, 4), "mask": tensor(n, 4, seed=3) > 1, "indices": [ints(0, 3, n, 4), ints(0, 4, n, 4)]}
)
REDUCES = ("sum", "mean", "prod", "amax", "amin")
SCATTERS = st.one_of(
    scattered("src"),
    scattered("value"),
    scattered("reduce", ("add", "multiply")),
    scattered("value_reduce", ("add", "multiply")),
)

PROOFS = {
    "aten::embedding_dense_backward": Proof(embedding_backward, lookups()),
    "aten::_embedding_bag": Proof(embedding_bag, bagged()),
    "aten::_embedding_bag_forward_only": Proof(embedding_bag, bagged()),
    "aten::embedding_bag": Proof(embedding_bag, bagged()),
    "aten::_embedding_bag_dense_backward": Proof(bag_backward, bagged(backward="dense")),
    "aten::_embedding_bag_backward": Proof(bag_backward, bagged(backward="whole")),
    "aten::_embedding_bag_per_sample_weights_backward": Proof(sample_weights_backward, bagged(backward="weights")),
    "aten::index_add": Proof(index_add, added()),
    "aten::scatter_add": Proof(scatter_add, scattered()),
    "aten::scatter_reduce": Proof(scatter_reduce, scattered("two", REDUCES)),
    "aten::index_reduce": Proof(index_reduce, added(reducing=True)),
    "aten::scatter": Proof(scatter_join, SCATTERS),
    "aten::index_put": Proof(index_put, put_calls()),
    "aten::_index_put_impl": Proof(index_put, put_calls().map(lambda c: Call(c.given, out=c.given["self"]))),
    "aten::_unsafe_index_put": Proof(index_put, put_calls()),
    "aten::put": Proof(put, PUTS),
    "aten::_unsafe_masked_index": Proof(masked_index, MASKED.map(lambda given_: Call(given_ | {"fill": 7.0}))),
    "aten::_unsafe_masked_index_put_accumulate": Proof(
        masked_index_put, MASKED.map(lambda given_: Call(given_ | {"values": tensor(*given_["mask"].shape, seed=5)}))
    ),
}


pytestmark = [
    pytest.mark.filterwarnings("ignore:index_reduce. is in beta"),
    pytest.mark.filterwarnings("ignore:The reduce argument of torch.scatter"),
]
test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "embedding") == set()
