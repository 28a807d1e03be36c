from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import hypothesis.strategies as st
import numpy as np
from oracle import Scalar, exp, maximum, minimum, select, special, total
from proof import Call, Proof, proven, shapes, tensor, unproven


def number(x: Any) -> Any:
    return (x - 3.0) * 0.5


def quantized(y: Any) -> Any:
    rounded = minimum(y / 0.5, math.inf) + 3.0
    return minimum(maximum(rounded, 0.0), 255.0)


def each(compute: Callable[[Any], Any]) -> Callable[..., Any]:
    """A reference that computes with the numbers that integers stand for."""

    def reference(qx: np.ndarray) -> None:
        for x in qx.ravel():
            quantized(compute(number(x)))

    return reference


def bounds(*limits: Callable[[Any], Any]) -> Callable[..., Any]:
    """A reference that works on the integers themselves."""

    def reference(qx: np.ndarray) -> None:
        for x in qx.ravel():
            for limit in limits:
                x = limit(x)

    return reference


def sigmoid(x: Any) -> Any:
    return 1 / (1 + exp(-x))


def hardswish(x: Any) -> Any:
    return x * minimum(maximum(x + 3, 0.0), 6.0) / 6


def leaky(x: Any) -> Any:
    below = x * 0.1
    return x if x > 0 else below


def elu(x: Any) -> Any:
    below = special(math.expm1, x * 0.5) * 2.0
    return x if x > 0 else below


def softmax(qx, dim):
    moved = np.moveaxis(qx, dim, -1)
    for index in np.ndindex(*moved.shape[:-1]):
        row = [number(x) for x in moved[index]]
        top = reduce(maximum, row)
        powers = [exp(x - top) for x in row]
        whole = total(powers)
        for p in powers:
            quantized(p / whole)


def cat(relu: bool) -> Callable[..., Any]:
    def reference(qx: list[np.ndarray]) -> None:
        for part in qx:
            for x in part.ravel():
                quantized(maximum(number(x), 0.0) if relu else number(x))

    return reference


def rsqrt(x: Any) -> Any:
    return special(lambda t: t**-0.5, x)


def batch_norm(relu: bool, name: str = "qx") -> Callable[..., Any]:
    def normalize(x: np.ndarray, weight: Any, bias: Any, mean: Any, var: Any, eps: float) -> None:
        for c in range(x.shape[1]):
            a = rsqrt(var[c] + eps)
            a = a if weight is None else a * weight[c]
            b = -(mean[c] * a) if bias is None else bias[c] - mean[c] * a
            for item in x[:, c].ravel():
                y = number(item) * a + b
                quantized(maximum(y, 0.0) if relu else y)

    if name == "qx":
        return lambda qx, weight, bias, mean, var, eps: normalize(qx, weight, bias, mean, var, eps)
    return lambda input, weight, bias, mean, var, eps: normalize(input, weight, bias, mean, var, eps)


def normalized(rows: list[tuple[list[Any], list[int]]], weight: Any, bias: Any, *, folded: bool) -> None:
    """Rows of elements, each with the index of its weight."""
    for row, places in rows:
        numbers = [number(x) for x in row]
        mean = total(numbers) / len(row)
        d = [x - mean for x in numbers]
        rstd = rsqrt(total([t * t for t in d]) / len(row) + 1e-5)
        scales = {p: rstd * weight[p] for p in sorted(set(places))} if folded and weight is not None else {}
        for t, p in zip(d, places, strict=True):
            y = t * scales.get(p, rstd)
            y = y * weight[p] if weight is not None and not folded else y
            quantized(y if bias is None else y + bias[p])


def layer_norm(input, normalized_shape, weight, bias):
    size = int(np.prod(normalized_shape))
    flat = input.reshape(-1, size)
    flat_weight, flat_bias = (None if v is None else v.ravel() for v in (weight, bias))
    normalized([(list(row), list(range(size))) for row in flat], flat_weight, flat_bias, folded=False)


def group_norm(input, num_groups, weight, bias):
    n, channels = input.shape[:2]
    size = channels // num_groups
    rows = []
    for b, g in np.ndindex(n, num_groups):
        own = range(g * size, (g + 1) * size)
        rows.append(([x for c in own for x in input[b, c].ravel()], [c for c in own for _ in input[b, c].ravel()]))
    normalized(rows, weight, bias, folded=True)


def instance_norm(input, weight, bias):
    group_norm(input, input.shape[1], weight, bias)


def embedding(indices, out_shape):
    for _ in np.ndindex(*out_shape):
        number(Scalar(1.0))


def embedding_bag(indices, out_shape, per_sample_weights=None):
    """Bags of equal size."""
    size = len(indices) // out_shape[0]
    for _ in np.ndindex(*out_shape):
        rows = [number(Scalar(1.0)) for _ in range(size)]
        total(rows if per_sample_weights is None else [x * Scalar(0.5) for x in rows])


def by(name: str, reference: Callable[[np.ndarray], None]) -> Callable[..., None]:
    """The same for an operator that calls its tensor otherwise."""
    if name == "input":
        return lambda input: reference(input)
    return lambda self: reference(self)


def calls(name: str = "qx", **more: Any) -> st.SearchStrategy[Call]:
    return shapes().map(lambda shape: Call({name: tensor(*shape)} | more, out=tensor(*shape)))


MAYBE = st.booleans()


@st.composite
def normed(draw: Any, name: str, kind: str) -> Any:
    n, g, c, hw = (draw(st.integers(1, 2)) for _ in range(4))
    shape = (n, g * c, hw)
    size = shape[2:] if kind == "layer" else shape[1:2]
    given_: dict[str, Any] = {name: tensor(*shape)}
    given_["weight"] = tensor(*size, seed=1) if draw(MAYBE) else None
    given_["bias"] = tensor(*size, seed=2) if draw(MAYBE) else None
    if kind == "batch":
        given_ |= {"mean": tensor(*size), "var": tensor(*size, seed=3), "eps": 1e-5}
    given_ |= {"layer": {"normalized_shape": [hw]}, "group": {"num_groups": g}}.get(kind, {})
    return Call(given_, out=tensor(*shape))


SOFTMAX = st.tuples(shapes(1, 2, empty=False), st.sampled_from([0, -1])).map(
    lambda it: Call({"qx": tensor(*it[0]), "dim": it[1]}, out=tensor(*it[0]))
)
PARTS = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(
    lambda sizes: Call({"qx": [tensor(n, 2) for n in sizes], "dim": 0}, out=tensor(sum(sizes), 2))
)
BAGS = st.tuples(st.integers(1, 3), st.integers(1, 3), MAYBE).map(
    lambda it: Call(
        {"indices": tensor(it[0] * it[1]).long()} | ({"per_sample_weights": tensor(it[0] * it[1])} if it[2] else {}),
        out=tensor(it[0], 2),
    )
)
LOOKUPS = st.integers(0, 4).map(lambda n: Call({"indices": tensor(n).long()}, out=tensor(n, 2)))

PROOFS = {
    "quantized::threshold": Proof(bounds(lambda x: select(Scalar(1.0), x, 0.0)), calls()),
    "quantized::clamp": Proof(bounds(lambda x: maximum(x, 1.0), lambda x: minimum(x, 2.0)), calls()),
    "quantized::relu6": Proof(bounds(lambda x: maximum(x, 1.0), lambda x: minimum(x, 2.0)), calls()),
    "quantized::sigmoid": Proof(each(sigmoid), calls()),
    "quantized::hardswish": Proof(by("input", each(hardswish)), calls("input")),
    "quantized::leaky_relu": Proof(each(leaky), calls()),
    "quantized::prelu": Proof(each(leaky), calls()),
    "quantized::elu": Proof(by("self", each(elu)), calls("self")),
    "quantized::celu": Proof(by("self", each(elu)), calls("self")),
    "quantized::softmax": Proof(softmax, SOFTMAX),
    "quantized::cat": Proof(cat(False), PARTS),
    "quantized::cat_out": Proof(cat(False), PARTS),
    "quantized::cat_relu": Proof(cat(True), PARTS),
    "quantized::cat_relu_out": Proof(cat(True), PARTS),
    "aten::quantized_batch_norm": Proof(batch_norm(False, "input"), normed("input", "batch")),
    **{f"quantized::batch_norm{d}": Proof(batch_norm(False), normed("qx", "batch")) for d in ("", "1d", "2d", "3d")},
    **{
        f"quantized::batch_norm{d}_relu": Proof(batch_norm(True), normed("qx", "batch")) for d in ("", "1d", "2d", "3d")
    },
    "quantized::layer_norm": Proof(layer_norm, normed("input", "layer")),
    "quantized::group_norm": Proof(group_norm, normed("input", "group")),
    "quantized::instance_norm": Proof(instance_norm, normed("input", "instance")),
    **{f"quantized::embedding_{bits}": Proof(embedding, LOOKUPS) for bits in ("byte", "4bit")},
    **{f"quantized::embedding_bag_{bits}": Proof(embedding_bag, BAGS) for bits in ("byte", "4bit")},
    **{
        f"quantized::embedding_bag_{bits}_rowwise_offsets": Proof(embedding_bag, BAGS)
        for bits in ("byte", "4bit", "2bit")
    },
}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "quantized_elementwise") == set()
