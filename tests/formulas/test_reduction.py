from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import hypothesis.strategies as st
import numpy as np
import torch
from oracle import Complex, maximum, minimum, select, special, sqrt, total, value
from proof import Call, Proof, proven, shapes, tensor, unproven


def rows(array: np.ndarray, dim: Any) -> tuple[tuple[int, ...], list[list[Any]]]:
    """The shape that is left (with ones), and for each result the elements that are reduced to it."""
    axes = range(array.ndim) if dim in (None, [], ()) else [dim] if isinstance(dim, int) else dim
    axes = {axis % max(array.ndim, 1) for axis in axes} if array.ndim else set()
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(array.shape))
    found: dict[tuple[int, ...], list[Any]] = {index: [] for index in np.ndindex(*kept)}
    for index in np.ndindex(*array.shape):
        found[tuple(0 if axis in axes else i for axis, i in enumerate(index))].append(array[index])
    return kept, list(found.values())


def reducing(one: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    """A reference that reduces each row by a function."""

    def reference(self: np.ndarray, dim: Any = None, keepdim: bool = False) -> Any:
        kept, groups = rows(self, dim)
        results = [one(group) for group in groups]
        parts = list(zip(*results, strict=True)) if results and isinstance(results[0], tuple) else [results]
        axes = [a for a, size in enumerate(self.shape) if kept[a] == 1 and _reduced(self, dim, a)]
        shape = kept if keepdim else tuple(size for a, size in enumerate(kept) if a not in axes)
        return tuple(_array(part, shape) for part in parts) if len(parts) > 1 else _array(parts[0], shape)

    return reference


def _reduced(array: np.ndarray, dim: Any, axis: int) -> bool:
    axes = range(array.ndim) if dim in (None, [], ()) else [dim] if isinstance(dim, int) else dim
    return axis in {a % array.ndim for a in axes}


def _array(items: Any, shape: tuple[int, ...]) -> np.ndarray:
    made = np.empty(len(items), dtype=object)
    made[:] = items
    return made.reshape(shape)


def joined(join: Callable[[Any, Any], Any], empty: Any = 0.0) -> Callable[[list[Any]], Any]:
    return lambda row: reduce(join, row) if row else empty


def mean(row: list[Any]) -> Any:
    return total(row) / len(row) if row else total(row) / 0


def nansum(row: list[Any]) -> Any:
    return total([select(x != x, 0.0, x) for x in row])


def square(x: Any) -> Any:
    return x.re * x.re + x.im * x.im if isinstance(x, Complex) else x * x


def absolute(x: Any) -> Any:
    return sqrt(square(x)) if isinstance(x, Complex) else abs(x)


def variance(row: list[Any]) -> Any:
    middle = total(row) / len(row)
    return total([square(x - middle) for x in row]) / len(row), middle


def norm(row: list[Any], p: float, root: bool = True) -> Any:
    if p == 2:
        powers = total([square(x) for x in row])
        return sqrt(powers) if root else powers
    if p == 0:
        return total([x != 0 for x in row])
    if abs(p) == math.inf:
        sizes = [absolute(x) for x in row]
        return reduce(maximum if p > 0 else minimum, sizes)
    if p == 1:
        return total([absolute(x) for x in row])
    powers = total([special(lambda t: t**p, absolute(x)) for x in row])
    return special(lambda t: t ** (1 / p), powers) if root else powers


def norm_reference(self: np.ndarray, ord: float = 2, dim: Any = None, keepdim: bool = False) -> Any:
    return reducing(lambda row: norm(row, ord))(self, dim, keepdim)


def old_norm(self: np.ndarray, p: float | None = 2, dim: Any = None, keepdim: bool = False) -> Any:
    return norm_reference(self, 2 if p is None else p, dim, keepdim)


def powsum(self: np.ndarray, ord: float = 2, dim: Any = None, keepdim: bool = False) -> Any:
    return reducing(lambda row: norm(row, ord, root=False))(self, dim, keepdim)


def scanning(step: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def reference(self: np.ndarray, dim: int) -> Any:
        out = self.copy()
        moved = np.moveaxis(out, dim, 0) if out.ndim else out.reshape(1)
        for i in range(1, len(moved)):
            for index in np.ndindex(*moved.shape[1:]):
                moved[(i, *index)] = step(moved[(i - 1, *index)], moved[(i, *index)])
        return out

    return reference


def count_nonzero(self: np.ndarray, dim: Any = None) -> Any:
    return reducing(lambda row: total([x != 0 for x in row]) if row else 0)(self, dim)


def trace(self: np.ndarray) -> Any:
    return _array([total([self[i, i] for i in range(min(self.shape))])], ())


def histc(self: np.ndarray, bins: int, min: float, max: float) -> Any:
    elements = list(self.ravel())
    low, high = min, max
    if low == high and elements:
        low, high = value(reduce(minimum, elements)), value(reduce(maximum, elements))
        low, high = (low - 1, high + 1) if low == high else (low, high)
    found = [total([])] * bins
    for x in elements:
        inside = (x >= low, x <= high)
        place = special_free_floor((x - low) * (bins / (high - low) if high > low else 1.0))
        slot = int(np.clip(place, 0, bins - 1))
        found[slot] = found[slot] + (1.0 if all(map(bool, inside)) else 0.0)
    return _array(found, (bins,))


def special_free_floor(x: Any) -> float:
    """A floor is a comparison."""
    return math.floor(value(minimum(x, math.inf)))


def bincount(self: np.ndarray, weights: np.ndarray | None = None) -> Any:
    found = [total([])] * (max(self, default=-1) + 1)
    for i, slot in enumerate(self):
        found[slot] = found[slot] + (1.0 if weights is None else weights[i])
    return _array(found, (len(found),))


def elementwise(join: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def reference(self: np.ndarray, other: np.ndarray) -> Any:
        pairs = np.broadcast(self, other)
        return _array([join(a, b) for a, b in pairs], pairs.shape)

    return reference


DTYPES = st.sampled_from([torch.float64, torch.float64, torch.complex128])


@st.composite
def reductions(draw: Any, dims: str = "list", *, empty: bool = True, real: bool = True, keep: bool = True) -> Any:
    """Arguments of a reduction over some dimensions, by the overload that takes them."""
    shape = draw(shapes(1, 3, empty=empty))
    dtype = torch.float64 if real else draw(DTYPES)
    axes = draw(
        st.lists(st.integers(-len(shape), len(shape) - 1), max_size=len(shape), unique_by=lambda a: a % len(shape))
    )
    arguments = {"self": tensor(*shape, dtype=dtype), "dim": axes if dims == "list" else axes[0] if axes else 0}
    return arguments | ({"keepdim": draw(st.booleans())} if keep else {})


def calls(overload: str = "default", dims: str = "list", **options: Any) -> st.SearchStrategy[Call]:
    return reductions(dims, **options).map(lambda given: Call(given, overload))


def whole(overload: str = "default", *, empty: bool = True, real: bool = True) -> st.SearchStrategy[Call]:
    kinds = st.just(torch.float64) if real else DTYPES
    made = st.tuples(shapes(empty=empty), kinds)
    return made.map(lambda it: Call({"self": tensor(*it[0], dtype=it[1])}, overload))


@st.composite
def norms(draw: Any, name: str, overload: str = "default", powers: tuple[float, ...] = ()) -> Any:
    arguments = draw(reductions(empty=False, real=False))
    return Call(arguments | {name: draw(st.sampled_from(powers))}, overload)


@st.composite
def scans(draw: Any, real: bool = False) -> Any:
    shape = draw(shapes(0, 3))
    axis = draw(st.integers(-len(shape), len(shape) - 1)) if shape else 0
    return Call({"self": tensor(*shape, dtype=torch.float64 if real else draw(DTYPES)), "dim": axis})


@st.composite
def helpers(draw: Any) -> Any:
    call = draw(scans(real=True))
    x = call.given["self"]
    return Call(call.given | {"values": x.clone(), "indices": torch.zeros(x.shape, dtype=torch.long)}, out=x)


def pairs(overload: str) -> st.SearchStrategy[Call]:
    made = shapes().map(lambda shape: {"self": tensor(*shape), "other": tensor(*shape[-1:], seed=1)})
    return made.map(
        lambda given: Call(
            given | ({"out": torch.empty(0, dtype=torch.float64)} if overload == "out" else {}), overload
        )
    )


BOTH = (1, 2, 3.5, math.inf, -math.inf, 0)
least, most = joined(minimum), joined(maximum)
extremes = calls(empty=False)
both = reducing(lambda row: (least(row), most(row)))


def logic(name: str) -> Callable[..., Any]:
    """`and` is the smaller, `or` the larger of two."""
    return reducing(joined(minimum if name == "all" else maximum, 1.0 if name == "all" else 0.0))


def hashed(self: np.ndarray, dim: Any = None, keepdim: bool = False) -> None:
    reducing(joined(lambda a, b: maximum(a, b)))(self, dim, keepdim)


def by_inp(reference: Callable[..., Any]) -> Callable[..., Any]:
    """The same for an operator that calls its tensor `inp` and its dimensions `dims`."""
    return lambda inp, dims: reference(inp, dims) if dims else None


def prims(**more: Any) -> st.SearchStrategy[Call]:
    made = reductions(empty=False, keep=False).filter(lambda given: given["dim"])
    return made.map(lambda g: Call({"inp": g["self"], "dims": sorted(a % g["self"].ndim for a in g["dim"])} | more))


XORS = prims().map(lambda c: Call(c.given, out=torch.ops.prims.sum(c.given["inp"], c.given["dims"])))

sums = st.one_of(calls("dim_IntList", real=False), whole(real=False))
minmax = st.one_of(calls("dim", "one", empty=False), whole(empty=False))
SCANNED = scans()
SPREADS = calls("correction", real=False, empty=False).map(
    lambda call: Call({**call.given, "correction": 0}, call.overload)
)

PROOFS = {
    "aten::sum": Proof(reducing(total), sums),
    "aten::mean": Proof(
        reducing(mean), st.one_of(calls("dim", real=False, empty=False), whole(real=False, empty=False))
    ),
    "aten::nansum": Proof(reducing(nansum), calls()),
    "aten::prod": Proof(
        reducing(joined(lambda a, b: a * b, 1.0)),
        st.one_of(calls("dim_int", "one", real=False), whole(real=False)),
    ),
    "aten::var": Proof(reducing(lambda row: variance(row)[0]), SPREADS),
    "aten::var_mean": Proof(reducing(variance), SPREADS),
    "aten::std": Proof(reducing(lambda row: sqrt(variance(row)[0])), SPREADS),
    "aten::std_mean": Proof(reducing(lambda row: sqrt(variance(row)[0])), SPREADS),
    "prims::sum": Proof(by_inp(reducing(total)), prims()),
    "prims::prod": Proof(by_inp(reducing(joined(lambda a, b: a * b, 1.0))), prims()),
    "prims::amax": Proof(by_inp(reducing(most)), prims()),
    "prims::amin": Proof(by_inp(reducing(least)), prims()),
    "prims::var": Proof(by_inp(reducing(lambda row: variance(row)[0])), prims(correction=0), alike=False),
    "prims::xor_sum": Proof(by_inp(reducing(most)), XORS),
    "aten::amax": Proof(reducing(most), extremes),
    "aten::amin": Proof(reducing(least), extremes),
    "aten::max": Proof(reducing(most), minmax, alike=False),
    "aten::min": Proof(reducing(least), minmax, alike=False),
    "aten::argmax": Proof(reducing(most), calls(dims="one", empty=False), alike=False),
    "aten::argmin": Proof(reducing(least), calls(dims="one", empty=False), alike=False),
    "aten::all": Proof(logic("all"), calls("dim", "one"), alike=False),
    "aten::any": Proof(logic("any"), calls("dim", "one"), alike=False),
    "aten::_is_all_true": Proof(logic("all"), whole().map(lambda c: Call({"self": c.given["self"] > 1})), alike=False),
    "aten::_is_any_true": Proof(logic("any"), whole().map(lambda c: Call({"self": c.given["self"] > 1})), alike=False),
    "aten::hash_tensor": Proof(hashed, calls(empty=False)),
    "aten::max.other": Proof(elementwise(maximum), pairs("other")),
    "aten::min.other": Proof(elementwise(minimum), pairs("other")),
    "aten::max.out": Proof(elementwise(maximum), pairs("out")),
    "aten::min.out": Proof(elementwise(minimum), pairs("out")),
    "aten::aminmax": Proof(both, calls(dims="one", empty=False)),
    "aten::_aminmax": Proof(both, calls("dim", "one", empty=False)),
    "aten::linalg_vector_norm": Proof(norm_reference, norms("ord", powers=BOTH)),
    "aten::norm": Proof(old_norm, norms("p", "ScalarOpt_dim", powers=BOTH)),
    "aten::native_norm": Proof(
        old_norm, shapes(empty=False).map(lambda s: Call({"self": tensor(*s), "p": 3}, out=tensor()))
    ),
    "aten::linalg__powsum": Proof(powsum, norms("ord", powers=(1, 2, 3.5, 4))),
    "aten::cumsum": Proof(scanning(lambda a, b: a + b), SCANNED),
    "aten::cumprod": Proof(scanning(lambda a, b: a * b), SCANNED),
    "aten::cummax": Proof(scanning(maximum), scans(real=True), alike=False),
    "aten::cummin": Proof(scanning(minimum), scans(real=True), alike=False),
    "aten::_cummax_helper": Proof(scanning(maximum), helpers()),
    "aten::_cummin_helper": Proof(scanning(minimum), helpers()),
    "aten::count_nonzero": Proof(count_nonzero, calls("dim_IntList", keep=False), alike=False),
    "aten::trace": Proof(trace, shapes(2, 2).map(lambda s: Call({"self": tensor(*s)}))),
    "aten::histc": Proof(
        histc,
        st.tuples(shapes(1, 2), st.sampled_from([(0.0, 0.0), (0.3, 1.5)])).map(
            lambda it: Call({"self": tensor(*it[0]), "bins": 4, "min": it[1][0], "max": it[1][1]})
        ),
    ),
    "aten::bincount": Proof(
        bincount,
        st.lists(st.integers(0, 4), max_size=6).map(lambda v: Call({"self": torch.tensor(v, dtype=torch.long)})),
        alike=False,
    ),
}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "reduction", "reduction_prims") == set()
