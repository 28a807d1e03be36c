from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import torch
from oracle import Scalar, maximum, select, value
from proof import Call, Proof, proven, shapes, tensor, unproven


def rows(array: np.ndarray, dim: int) -> list[list[Any]]:
    if array.ndim == 0:
        return [[array[()]]]
    moved = np.moveaxis(array, dim, -1)
    return [list(moved[index]) for index in np.ndindex(*moved.shape[:-1])]


def merged(left: list[Any], right: list[Any], before: Any) -> list[Any]:
    """Every element is placed by one comparison, also when one side has run out."""
    out: list[Any] = []
    while left or right:
        a, b = left[0] if left else None, right[0] if right else None
        first = before(a, b)
        taken = (left if first else right).pop(0)
        out.append(taken)
    return out


def before(a: Any, b: Any) -> bool:
    low = Scalar(math.inf) if a is None else a
    high = Scalar(math.inf) if b is None else b
    return (bool(low <= high) and a is not None) or b is None


def merge_sort(row: list[Any], order: Any = before) -> list[Any]:
    """Passes that merge runs of 1, 2, 4, ... elements."""
    runs = [[x] for x in row]
    while len(runs) > 1:
        runs = [merged(runs[k], runs[k + 1] if k + 1 < len(runs) else [], order) for k in range(0, len(runs), 2)]
    return runs[0] if runs else []


def as_array(found: list[list[Any]], shape: tuple[int, ...], dim: int) -> np.ndarray:
    moved = np.empty((*np.delete(shape, dim), len(found[0]) if found else shape[dim]) if shape else (1,), dtype=object)
    for index, row in zip(np.ndindex(*moved.shape[:-1]), found, strict=True):
        moved[index] = row
    return np.moveaxis(moved, -1, dim) if shape else moved.reshape(())


def sort(self, dim=-1, descending=False):
    found = [merge_sort(row)[:: -1 if descending else 1] for row in rows(self, dim)]
    return as_array(found, self.shape, dim)


def kthvalue(self, k, dim, keepdim):
    found = [[merge_sort(row)[k - 1]] for row in rows(self, dim)]
    out = as_array(found, self.shape, dim)
    return out if keepdim or not self.shape else np.squeeze(out, dim)


def median(self, dim=None, keepdim=False):
    flat = self.reshape(-1) if dim is None else self
    out = kthvalue(flat, (flat.shape[dim or 0] + 1) // 2 if flat.shape else 1, 0 if dim is None else dim, keepdim)
    return np.asarray(out, dtype=object).reshape(()) if dim is None else out


def nanmedian(self, dim=None, keepdim=False):
    for row in [list(self.ravel())] if dim is None else rows(self, dim):
        tests = [x != x for x in row]
        for a, b in pairwise(tests):
            Scalar(float(value(a))) + float(value(b))
    return median(self, dim, keepdim)


def mode(self, dim):
    for row in rows(self, dim):
        ordered = merge_sort(row)
        run, best = Scalar(1.0), Scalar(1.0)
        for a, b in pairwise(ordered):
            same = a == b
            longer = run + 1.0
            run = longer if same else Scalar(1.0)
            best = maximum(best, run)


def tournament(row: list[Any]) -> tuple[list[list[Any]], int]:
    """Levels of winners, from the leaves up; a lone contestant goes on without a comparison."""
    levels = [list(row)]
    while len(levels[-1]) > 1:
        last = levels[-1]
        pairs = [last[k : k + 2] for k in range(0, len(last), 2)]
        levels.append([maximum(*pair) if len(pair) == 2 else pair[0] for pair in pairs])
    return levels, len(levels) - 1


def topk(self, k, dim, largest, sorted):
    found = []
    for row in rows(self, dim):
        levels, _ = tournament([x if largest else Scalar(-x.value) for x in row])
        taken: list[Any] = []
        for turn in range(k):
            winner = levels[-1][0]
            taken.append(winner if largest else Scalar(-winner.value))
            if turn + 1 < k:
                replay(levels, next(i for i, x in enumerate(levels[0]) if x.value == winner.value))
        found.append(taken)
    return as_array(found, self.shape, dim)


def replay(levels: list[list[Any]], leaf: int) -> None:
    """The winner drops out, and its path to the root is played again, a comparison a level."""
    levels[0][leaf] = Scalar(-math.inf)
    for depth in range(1, len(levels)):
        pair = levels[depth - 1][leaf // 2 * 2 : leaf // 2 * 2 + 2]
        leaf //= 2
        levels[depth][leaf] = maximum(pair[0], pair[1] if len(pair) == 2 else Scalar(-math.inf))


def unique(self):
    ordered = merge_sort(list(self.ravel()))
    fresh = [a != b for a, b in pairwise(ordered)]
    kept = [x for x, new in zip(ordered, [True, *fresh], strict=False) if new]
    return np.array(kept, dtype=object)


def unique_consecutive(self, dim=None):
    items = [[x] for x in self.ravel()] if dim is None else list(np.moveaxis(self, dim, 0))
    for a, b in pairwise(items):
        for x, y in zip(np.ravel(a), np.ravel(b), strict=True):
            x != y  # noqa: B015


def whole(a: Any, b: Any) -> bool:
    """Slices compared element by element, none left out."""
    some = a if a is not None else b
    results = [before(x, y) for x, y in zip(some if a is None else a, some if b is None else b, strict=True)]
    return a is not None and (b is None or bool(np.all(results)))


def unique_dim(self, dim):
    slices = [list(np.ravel(part)) for part in np.moveaxis(self, dim, 0)]
    merge_sort(slices, whole)
    for a, b in pairwise(slices):
        for x, y in zip(a, b, strict=True):
            x != y  # noqa: B015


def search(boundaries: list[Any], x: Any, right: bool) -> int:
    """Halving the places between boundaries, those beyond the end being compared as well."""
    place = 0
    for bit in reversed(range(math.ceil(math.log2(len(boundaries) + 1)))):
        probe = place + 2**bit
        bound = boundaries[probe - 1] if probe <= len(boundaries) else Scalar(math.inf)
        below = bound <= x if right else bound < x
        place = probe if below else place
    return place


def bucketize(self, boundaries, right):
    out = np.empty(self.shape, dtype=object)
    for index in np.ndindex(*self.shape):
        out[index] = search(list(boundaries), self[index], right)
    return out


def searchsorted(sorted_sequence, self, right):
    out = np.empty(self.shape, dtype=object)
    for index in np.ndindex(*self.shape):
        row = sorted_sequence if sorted_sequence.ndim == 1 else sorted_sequence[index[:-1]]
        out[index] = search(list(row), self[index], right)
    return out


def nonzero(self):
    places = [index for index in np.ndindex(*self.shape) if bool(self[index] != 0)]
    return np.array(places, dtype=object).reshape(len(places), self.ndim)


def nonzero_static(self, size, fill_value):
    nonzero(self)


def masked_select(self, mask):
    numbers, kept = np.broadcast_arrays(self, mask)
    return np.array(
        [x for x, m in zip(numbers.ravel(), kept.ravel(), strict=True) if select(m, True, False)], dtype=object
    )


def masked_scatter(self, mask, source):
    given_ = iter(source.ravel())
    out = self.copy()
    for index in np.ndindex(*out.shape):
        out[index] = select(mask[index], next(given_) if mask[index] else self[index], self[index])
    return out


@st.composite
def along(draw: Any, *names: str, empty: bool = False, whole: bool = False) -> Any:
    shape = draw(shapes(0 if "k" not in names else 1, 2, empty=empty, largest=6))
    dim = draw(st.integers(-len(shape), len(shape) - 1)) if shape else 0
    given_: dict[str, Any] = {"self": tensor(*shape, seed=draw(st.integers(0, 9))), "dim": dim}
    if "k" in names:
        given_["k"] = draw(st.integers(1, shape[dim]))
    for flag in ("keepdim", "descending", "largest"):
        if flag in names:
            given_[flag] = draw(st.booleans())
    return Call(given_, "dim" if whole else "default")


ANY = shapes(largest=5).map(lambda s: Call({"self": tensor(*s)}))
SOME = shapes(empty=False, largest=5).map(lambda s: Call({"self": tensor(*s)}))
FLAT = st.lists(st.integers(0, 3), min_size=0, max_size=9).map(
    lambda v: Call({"self": torch.tensor(v, dtype=torch.float64)})
)
SLICES = along().filter(lambda c: c.given["self"].ndim > 0)
SEARCHES = st.tuples(st.integers(0, 9), st.integers(0, 4), st.booleans())
TABLES = SEARCHES.map(
    lambda it: Call(
        {"sorted_sequence": tensor(2, it[0]).sort().values, "self": tensor(2, it[1], seed=1), "right": it[2]}, "Tensor"
    )
)
BUCKETS = SEARCHES.map(
    lambda it: Call(
        {"boundaries": tensor(it[0]).sort().values, "self": tensor(it[1], seed=1), "right": it[2]}, "Tensor"
    )
)
MASKS = shapes(1, 2).map(lambda s: Call({"self": tensor(*s), "mask": tensor(*s[-1:], seed=1) > 1}))
SCATTERS = shapes(1, 2).map(
    lambda s: Call({"self": tensor(*s), "mask": tensor(*s, seed=1) > 1, "source": tensor(*s, seed=2)})
)
MEDIANS = st.one_of(along("keepdim", whole=True), SOME)

PROOFS = {
    "aten::sort": Proof(sort, along("descending", empty=True)),
    "aten::argsort": Proof(sort, along("descending", empty=True), alike=False),
    "aten::kthvalue": Proof(kthvalue, along("k", "keepdim")),
    "aten::median": Proof(median, MEDIANS),
    "aten::nanmedian": Proof(nanmedian, MEDIANS),
    "aten::mode": Proof(mode, along()),
    "aten::topk": Proof(topk, along("k", "largest")),
    "aten::_unique": Proof(unique, FLAT),
    "aten::_unique2": Proof(unique, FLAT),
    "aten::unique_dim": Proof(unique_dim, SLICES),
    "aten::unique_consecutive": Proof(unique_consecutive, st.one_of(SLICES, FLAT)),
    "aten::unique_dim_consecutive": Proof(unique_consecutive, SLICES),
    "aten::searchsorted": Proof(searchsorted, TABLES),
    "aten::bucketize": Proof(bucketize, BUCKETS),
    "aten::nonzero": Proof(nonzero, ANY),
    "aten::nonzero_static": Proof(nonzero_static, ANY.map(lambda c: Call(c.given | {"size": 3}))),
    "aten::masked_select": Proof(masked_select, MASKS),
    "aten::masked_scatter": Proof(masked_scatter, SCATTERS),
}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "sorting") == set()
