from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import hypothesis.strategies as st
import numpy as np
import torch
from hypothesis import given
from oracle import Scalar, maximum, total
from proof import Call, Proof, proven, tensor, unproven

from flopsight.formulas.pooling import adaptive

Place = tuple[int, ...]


def sizes(kernel: Any, dims: int) -> list[int]:
    return list(kernel) * dims if len(kernel) == 1 else list(kernel)


def windows(
    out: Place, kernel: Any, stride: Any, padding: Any, dilation: Any, dims: int
) -> Iterator[tuple[Place, list[Place]]]:
    """Each output, and the positions of its window, which may lie outside."""
    kernel = sizes(kernel, dims)
    stride, padding, dilation = (
        sizes(v, dims) if v else d for v, d in ((stride, kernel), (padding, [0] * dims), (dilation, [1] * dims))
    )
    for index in np.ndindex(*out):
        *batch, place = index[: len(index) - dims], index[len(index) - dims :]
        starts = [p * s - pad for p, s, pad in zip(place, stride, padding, strict=True)]
        steps = itertools.product(*[range(k) for k in kernel])
        yield (
            index,
            [(*batch[0], *(a + k * d for a, k, d in zip(starts, step, dilation, strict=True))) for step in steps],
        )


def at(x: np.ndarray, place: Place, outside: float) -> Any:
    inside = all(0 <= p < size for p, size in zip(place, x.shape, strict=True))
    return x[place] if inside else Scalar(outside)


def counted(places: list[Place], shape: Place, padding: Any, dims: int) -> int:
    """Positions that an average divides by: those of the image and its padding."""
    border = [0] * (len(shape) - dims) + (sizes(padding, dims) if padding else [0] * dims)
    return sum(all(-b <= p < n + b for p, n, b in zip(place, shape, border, strict=True)) for place in places)


def average(dims: int) -> Callable[..., Any]:
    def reference(self: np.ndarray, out_shape: Any, kernel_size: Any, stride: Any = (), padding: Any = ()) -> Any:
        out = np.empty(out_shape, dtype=object)
        for index, places in windows(out_shape, kernel_size, stride, padding, (), dims):
            out[index] = total([at(self, p, 0.0) for p in places]) / counted(places, self.shape, padding, dims)
        return out

    return reference


def average_backward(dims: int) -> Callable[..., Any]:
    def reference(grad_output: np.ndarray, self: np.ndarray, kernel_size: Any, stride: Any, padding: Any) -> Any:
        places = windows(grad_output.shape, kernel_size, stride, padding, (), dims)
        return spread(grad_output, self, ((i, p, counted(p, self.shape, padding, dims)) for i, p in places))

    return reference


def spread(grad_output: np.ndarray, self: np.ndarray, places_of: Any) -> np.ndarray:
    """Each output's gradient, divided, is added to all of its window, padding included."""
    canvas: dict[Place, Any] = {}
    for index, places, divisor in places_of:
        share = grad_output[index] / divisor
        for place in places:
            canvas[place] = canvas.get(place, Scalar(0.0)) + share
    return cut(canvas, self.shape)


def cut(canvas: dict[Place, Any], shape: Place) -> np.ndarray:
    out = np.empty(shape, dtype=object)
    for place in np.ndindex(*shape):
        out[place] = canvas.get(place, Scalar(0.0))
    return out


def largest(dims: int) -> Callable[..., Any]:
    def reference(
        self: np.ndarray, out_shape: Any, kernel_size: Any, stride: Any = (), padding: Any = (), dilation: Any = ()
    ) -> Any:
        out = np.empty(out_shape, dtype=object)
        for index, places in windows(out_shape, kernel_size, stride, padding, dilation, dims):
            out[index] = reduce(maximum, [at(self, p, -np.inf) for p in places])
        return out

    return reference


def by_qx(reference: Callable[..., Any]) -> Callable[..., Any]:
    """The same for an operator that calls its tensor `qx`."""

    def renamed(qx: Any, out_shape: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
        return reference(qx, out_shape, kernel_size, stride, padding, dilation)

    return renamed


def bins(inputs: Place, outputs: Place) -> Iterator[tuple[Place, list[Place]]]:
    """Windows of an adaptive pooling; sizes before the pooled ones are equal."""
    for index in np.ndindex(*outputs):
        ranges = [
            range(i * n // o, -(-(i + 1) * n // o)) if n != o else [i]
            for i, n, o in zip(index, inputs, outputs, strict=True)
        ]
        yield index, list(itertools.product(*ranges))


def adaptive_average(self: np.ndarray, out_shape: Any) -> Any:
    out = np.empty(out_shape, dtype=object)
    for index, places in bins(self.shape, out_shape):
        out[index] = total([self[p] for p in places]) / len(places)
    return out


def adaptive_average_backward(grad_output: np.ndarray, self: np.ndarray) -> Any:
    return spread(grad_output, self, ((i, p, len(p)) for i, p in bins(self.shape, grad_output.shape)))


def adaptive_largest(self: np.ndarray, out_shape: Any) -> Any:
    out = np.empty(out_shape, dtype=object)
    for index, places in bins(self.shape, out_shape):
        out[index] = reduce(maximum, [self[p] for p in places])
    return out


def largest_backward(dims: int) -> Callable[..., Any]:
    def reference(grad_output: np.ndarray, self: np.ndarray, indices: np.ndarray) -> Any:
        canvas: dict[Place, Any] = {}
        for index in np.ndindex(*grad_output.shape):
            spot = np.unravel_index(indices[index], self.shape[self.ndim - dims :])
            place = (*index[: len(index) - dims], *map(int, spot))
            canvas[place] = canvas.get(place, Scalar(0.0)) + grad_output[index]
        return cut(canvas, self.shape)

    return reference


def found_anew(dims: int) -> Callable[..., Any]:
    def reference(grad_output: np.ndarray, kernel_size: Any) -> None:
        for index in np.ndindex(*grad_output.shape):
            reduce(maximum, tensor_row(int(np.prod(sizes(kernel_size, dims)))))
            Scalar(0.0) + grad_output[index]

    return reference


def tensor_row(length: int) -> list[Scalar]:
    return [Scalar(float(k)) for k in range(length)]


@st.composite
def pools(draw: Any, dims: int, kind: str, overload: str = "default", absent: bool = False) -> Any:
    """Arguments of a pooling: strides, padding, dilation, rounding up, one size for all."""
    kernel = draw(
        st.one_of(
            st.lists(st.integers(1, 3), min_size=dims, max_size=dims),
            st.lists(st.integers(1, 3), min_size=1, max_size=1),
        )
    )
    whole = sizes(kernel, dims)
    arguments: dict[str, Any] = {"kernel_size": kernel}
    arguments["padding"] = [draw(st.integers(0, k // 2)) for k in whole]
    arguments["stride"] = draw(st.one_of(st.just([]), st.lists(st.integers(1, 3), min_size=dims, max_size=dims)))
    arguments["ceil_mode"] = draw(st.booleans())
    if kind == "max":
        arguments["dilation"] = [draw(st.integers(1, 2)) for _ in range(dims)]
    spatial = [draw(st.integers(2 * k, 2 * k + 2)) for k in whole]
    return Call({"self": tensor(draw(st.integers(1, 2)), 2, *spatial)} | arguments, overload)


def forward(operator: Any, call: Call) -> Any:
    return operator(**call.given)


def backward(forward_of: Any, dims: int, kind: str, grad: str = "grad_output") -> st.SearchStrategy[Call]:
    """Arguments of the backward operator, from a forward call."""

    def made(call: Call) -> Call:
        result = forward_of(**call.given)
        out = result[0] if isinstance(result, tuple) else result
        more = {grad: tensor(*out.shape, seed=5)}
        if kind == "average":
            more |= {"count_include_pad": True, "divisor_override": None}
            more["stride"] = call.given["stride"] or sizes(call.given["kernel_size"], dims)
        if kind == "max":
            more["indices"] = result[1]
            more["stride"] = call.given["stride"] or sizes(call.given["kernel_size"], dims)
        return Call(call.given | more)

    return pools(dims, kind).map(made)


@st.composite
def adapted(draw: Any, dims: int, absent: bool = False) -> Any:
    inputs = [draw(st.integers(1, 5)) for _ in range(dims)]
    outputs = [draw(st.integers(1, 4)) for _ in range(dims)]
    x = tensor(2, 2, *inputs)
    return Call({"self": x, "output_size": outputs}, out=torch.empty(2, 2, *outputs) if absent else None)


def adapted_backward(dims: int, largest: bool = False, absent: bool = False) -> st.SearchStrategy[Call]:
    def made(call: Call) -> Call:
        x, outputs = call.given["self"], call.given["output_size"]
        more = {"grad_output": tensor(2, 2, *outputs, seed=5)}
        if largest:
            operator = {2: torch.ops.aten.adaptive_max_pool2d, 3: torch.ops.aten.adaptive_max_pool3d}[dims]
            more["indices"] = operator(x, outputs)[1]
        return Call({"self": x} | more, out=x if absent else None)

    return adapted(dims).map(made)


def fractional(dims: int) -> st.SearchStrategy[Call]:
    made = st.lists(st.integers(1, 2), min_size=dims, max_size=dims)
    return made.map(
        lambda k: Call(
            {
                "self": tensor(1, 2, *[5] * dims),
                "kernel_size": k,
                "output_size": [3] * dims,
                "random_samples": tensor(1, 2, dims) / 4,
            }
        )
    )


def fractional_backward(dims: int) -> st.SearchStrategy[Call]:
    operator = {2: torch.ops.aten.fractional_max_pool2d, 3: torch.ops.aten.fractional_max_pool3d}[dims]

    def made(call: Call) -> Call:
        out, indices = operator(**call.given)
        given_ = {name: call.given[name] for name in ("self", "kernel_size", "output_size")}
        return Call(given_ | {"grad_output": tensor(*out.shape, seed=5), "indices": indices})

    return fractional(dims).map(made)


def absent(calls: st.SearchStrategy[Call], forward_of: Any, *drop: str, grad: bool = False) -> st.SearchStrategy[Call]:
    """For an operator that has no kernel here: the shape of the result is that of a twin."""

    def made(call: Call) -> Call:
        result = forward_of(**call.given)
        out = result[0] if isinstance(result, tuple) else result
        given_ = {k: v for k, v in call.given.items() if k not in drop}
        if grad:
            return Call(
                given_ | {"grad_output": tensor(*out.shape), "input": call.given["self"], "output": out}, out=out
            )
        return Call(given_, out=out)

    return calls.map(made)


def renamed(call: Call, overload: str = "default", **names: str) -> Call:
    """The call of an operator that calls some arguments otherwise."""
    return Call({names.get(k, k): v for k, v in call.given.items()}, overload, call.out)


ATEN = torch.ops.aten
MAX2, MAX3 = ATEN.max_pool2d_with_indices, ATEN.max_pool3d_with_indices
MAX1 = lambda **given: torch.nn.functional.max_pool1d(
    given["self"],
    given["kernel_size"],
    given["stride"] or None,
    given["padding"],
    given["dilation"],
    given["ceil_mode"],
)
QUANTIZED1 = absent(pools(1, "max"), MAX1).map(lambda call: renamed(call, self="qx"))
QUANTIZED2 = absent(pools(2, "max"), MAX2).map(lambda call: renamed(call, self="qx"))
TRICKY = adapted_backward(3, absent=True).map(
    lambda call: Call(call.given | {"grad_input": call.out}, "grad_input", call.out)
)
ANEW2 = absent(pools(2, "max"), MAX2, grad=True)
ANEW3 = absent(pools(3, "max"), MAX3, grad=True)

PROOFS = {
    "aten::avg_pool1d": Proof(average(1), pools(1, "average")),
    "aten::avg_pool2d": Proof(average(2), pools(2, "average")),
    "aten::avg_pool3d": Proof(average(3), pools(3, "average")),
    "aten::avg_pool2d_backward": Proof(average_backward(2), backward(ATEN.avg_pool2d, 2, "average")),
    "aten::avg_pool3d_backward": Proof(average_backward(3), backward(ATEN.avg_pool3d, 3, "average")),
    "aten::adaptive_avg_pool1d": Proof(adaptive_average, adapted(1)),
    "aten::adaptive_avg_pool2d": Proof(adaptive_average, adapted(2)),
    "aten::_adaptive_avg_pool2d": Proof(adaptive_average, adapted(2)),
    "aten::mkldnn_adaptive_avg_pool2d": Proof(adaptive_average, adapted(2, absent=True)),
    "aten::adaptive_avg_pool3d": Proof(adaptive_average, adapted(3)),
    "aten::_adaptive_avg_pool3d": Proof(adaptive_average, adapted(3)),
    "aten::_adaptive_avg_pool2d_backward": Proof(adaptive_average_backward, adapted_backward(2)),
    "aten::mkldnn_adaptive_avg_pool2d_backward": Proof(adaptive_average_backward, adapted_backward(2, absent=True)),
    "aten::_adaptive_avg_pool3d_backward": Proof(adaptive_average_backward, adapted_backward(3)),
    "aten::adaptive_avg_pool3d_backward": Proof(adaptive_average_backward, TRICKY),
    "aten::max_pool1d": Proof(largest(1), pools(1, "max")),
    "aten::max_pool2d": Proof(largest(2), pools(2, "max")),
    "aten::max_pool3d": Proof(largest(3), pools(3, "max")),
    "aten::max_pool1d_with_indices": Proof(largest(1), pools(1, "max")),
    "aten::quantized_max_pool1d": Proof(largest(1), absent(pools(1, "max"), MAX1)),
    "quantized::max_pool1d": Proof(by_qx(largest(1)), QUANTIZED1),
    "quantized::max_pool2d": Proof(by_qx(largest(2)), QUANTIZED2),
    "aten::max_pool2d_with_indices": Proof(largest(2), pools(2, "max")),
    "aten::mkldnn_max_pool2d": Proof(largest(2), absent(pools(2, "max"), MAX2)),
    "aten::quantized_max_pool2d": Proof(largest(2), absent(pools(2, "max"), MAX2)),
    "aten::max_pool3d_with_indices": Proof(largest(3), pools(3, "max")),
    "aten::mkldnn_max_pool3d": Proof(largest(3), absent(pools(3, "max"), MAX3)),
    "aten::quantized_max_pool3d": Proof(largest(3), absent(pools(3, "max"), MAX3)),
    "aten::fractional_max_pool2d": Proof(largest(2), fractional(2), alike=False),
    "aten::fractional_max_pool3d": Proof(largest(3), fractional(3), alike=False),
    "aten::adaptive_max_pool2d": Proof(adaptive_largest, adapted(2)),
    "aten::adaptive_max_pool3d": Proof(adaptive_largest, adapted(3)),
    "aten::max_pool2d_with_indices_backward": Proof(largest_backward(2), backward(MAX2, 2, "max")),
    "aten::max_pool3d_with_indices_backward": Proof(largest_backward(3), backward(MAX3, 3, "max")),
    "aten::adaptive_max_pool2d_backward": Proof(largest_backward(2), adapted_backward(2, largest=True)),
    "aten::adaptive_max_pool3d_backward": Proof(largest_backward(3), adapted_backward(3, largest=True)),
    "aten::fractional_max_pool2d_backward": Proof(largest_backward(2), fractional_backward(2)),
    "aten::fractional_max_pool3d_backward": Proof(largest_backward(3), fractional_backward(3)),
    "aten::max_pool2d_backward": Proof(found_anew(2), ANEW2),
    "aten::mkldnn_max_pool2d_backward": Proof(found_anew(2), ANEW2),
    "aten::mkldnn_max_pool3d_backward": Proof(found_anew(3), ANEW3),
}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "pooling") == set()


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=2))
def test_windows_of_an_adaptive_pooling(pairs: list[tuple[int, int]]) -> None:
    inputs, outputs = zip(*pairs, strict=True)
    assert adaptive(inputs, outputs) == sum(len(places) for _, places in bins(inputs, outputs))
