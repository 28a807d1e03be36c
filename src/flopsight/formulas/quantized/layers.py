"""Layers that compute with integers.   M rows · K length of a dot product · N columns

The zero points of input and weight are subtracted first, each result is scaled once, and quantized where it is to be an
integer again. Packed parameters give their weight under the name they have in the schema, and a bias as `packed_bias`.
"""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec, contraction
from flopsight.formulas.parts import ACTIVATIONS
from flopsight.formulas.quantized.tensors import DEQUANTIZE, QUANTIZE, quantize_dynamic
from flopsight.formulas.registry import Case, formula

SCALED = Cost(multiply=1)
"""A sum of products of integers, as a number."""
_AFTER = {
    "": ZERO,
    "_relu": ACTIVATIONS["relu"],
    "_leaky_relu": ACTIVATIONS["leaky_relu"],
    "_tanh": ACTIVATIONS["tanh"],
}
_EACH = Cost(multiply=1) + Cost(divide=1, compare=3, add=1)


def integers(source: TensorSpec, weight: TensorSpec, products: Cost) -> Cost:
    """Products of integers, their zero points subtracted first."""
    return products + Cost(add=source.numel + weight.numel)


def _linear(X: TensorSpec, weight: TensorSpec, bias: TensorSpec | None, out: TensorSpec) -> Cost:
    return integers(X, weight, contraction(outputs=out.numel, length=X.shape[-1], bias=bias is not None))


def _declare_linear(suffix: str, after: Cost) -> None:
    """An integer layer, and the activation after it that its name has."""

    def static(X: TensorSpec, W_prepack: TensorSpec, out: TensorSpec, packed_bias: TensorSpec | None = None) -> Cost:
        return _linear(X, W_prepack, packed_bias, out) + (SCALED + after + QUANTIZE) * out.numel

    static.__doc__ = f"M*N dot products of length K of integers, scaled, {suffix[1:] or 'and'} quantized."
    given = {"X": (4, 5), "W_prepack": (6, 5)}
    products = Cost(macs=4 * 6 * 5, results=24, add=4 * 5 + 6 * 5)
    formula(f"quantized::linear{suffix}", case=Case(given, (4, 6), products + (_EACH + after) * 24))(static)


def _declare_dynamic(suffix: str, after: Cost) -> None:
    """A layer that quantizes its input by itself, and one whose weight is in float16."""

    def dynamic(X: TensorSpec, W_prepack: TensorSpec, out: TensorSpec, packed_bias: TensorSpec | None = None) -> Cost:
        return quantize_dynamic(X) + _linear(X, W_prepack, packed_bias, out) + (SCALED + after) * out.numel

    def half(X: TensorSpec, out: TensorSpec, packed_bias: TensorSpec | None = None) -> Cost:
        biased = packed_bias is not None
        return contraction(outputs=out.numel, length=X.shape[-1], bias=biased) + after * out.numel

    dynamic.__doc__ = "The input quantized by its own range, M*N dot products of length K of integers, scaled."
    half.__doc__ = "M*N dot products of length K, the weight kept in float16."
    given = {"X": (4, 5), "W_prepack": (6, 5)}
    macs = Cost(macs=4 * 6 * 5, results=24)
    quantized = Cost(compare=2 * 19 + 6 + 3 * 20, add=2 + 20 + 4 * 5 + 6 * 5, divide=2 + 20, multiply=24)
    formula(f"quantized::linear{suffix}_dynamic", case=Case(given, (4, 6), macs + quantized + after * 24))(dynamic)
    formula(f"quantized::linear{suffix}_dynamic_fp16", case=Case(given, (4, 6), macs + after * 24))(half)


for _suffix, _after in _AFTER.items():
    _declare_linear(_suffix, _after)
for _suffix in ("", "_relu"):
    _declare_dynamic(_suffix, _AFTER[_suffix])


@formula(
    "quantized::linear_dynamic_fp16_unpacked_weight",
    case=Case({"X": (4, 5), "bias": (6,)}, (4, 6), Cost(macs=4 * 6 * 5, results=24, biases=24)),
)
def linear_half(X: TensorSpec, bias: TensorSpec | None, out: TensorSpec) -> Cost:
    """M*N dot products of length K, and a bias; the weight is in float16."""
    return contraction(outputs=out.numel, length=X.shape[-1], bias=bias is not None)


@formula(
    "onednn::linear_dynamic_fp16",
    case=Case({"x": (4, 5), "bias": (6,)}, (4, 6), Cost(macs=4 * 6 * 5, results=24, biases=24)),
)
def onednn_linear_half(x: TensorSpec, bias: TensorSpec | None, out: TensorSpec) -> Cost:
    """M*N dot products of length K, and a bias; the weight is in float16."""
    return linear_half(x, bias, out)


@formula(
    "onednn::linear_relu_dynamic_fp16",
    case=Case({"x": (4, 5), "bias": None}, (4, 6), Cost(macs=4 * 6 * 5, results=24, compare=24)),
)
def onednn_linear_relu_half(x: TensorSpec, bias: TensorSpec | None, out: TensorSpec) -> Cost:
    """M*N dot products of length K, a bias, and relu; the weight is in float16."""
    return linear_half(x, bias, out) + ACTIVATIONS["relu"] * out.numel


@formula(
    "onednn::qlinear_pointwise",
    case=Case(
        {"qx": (4, 5), "qw": (5, 6), "bias": (6,), "post_op_name": "relu"},
        (4, 6),
        Cost(macs=4 * 6 * 5, results=24, biases=24, add=4 * 5 + 5 * 6 + 24, multiply=24, compare=4 * 24, divide=24),
    ),
)
def onednn_linear(
    qx: TensorSpec,
    qw: TensorSpec,
    bias: TensorSpec | None,
    out: TensorSpec,
    post_op_name: str = "none",
    binary_post_op: str = "none",
    unary_post_op: str = "none",
    output_dtype: str | None = None,
) -> Cost:
    """M*N dot products of length K of integers, scaled, a bias, what follows by name, quantized if it is to be."""
    own = integers(qx, qw, contraction(outputs=out.numel, length=qx.shape[-1], bias=bias is not None))
    return own + finished(post_op_name, binary_post_op, unary_post_op, output_dtype) * out.numel


def finished(first: str | None, binary: str | None, unary: str | None, output_dtype: str | None) -> Cost:
    """What happens to each result: scaled, an activation, a sum with another tensor and its activation, quantized."""
    own = SCALED + ACTIVATIONS[first]
    if binary in ("sum", "add"):
        own += DEQUANTIZE + Cost(add=1) + ACTIVATIONS[unary]
    return own if output_dtype in ("float32", "bfloat16", "float16") else own + QUANTIZE


@formula(
    "quantized::matmul",
    case=Case(
        {"qa": (4, 5), "qb": (5, 6)},
        (4, 6),
        Cost(macs=4 * 6 * 5, results=24, add=20 + 30 + 24, multiply=24, divide=24, compare=3 * 24),
    ),
)
def matmul(qa: TensorSpec, qb: TensorSpec, out: TensorSpec) -> Cost:
    """One dot product of length K of integers for each result, scaled, and quantized."""
    products = contraction(outputs=out.numel, length=qa.shape[-1])
    return integers(qa, qb, products) + (SCALED + QUANTIZE) * out.numel


def _declare_pair(name: str, work: Cost) -> None:
    def pair(out: TensorSpec, qb: TensorSpec | None = None) -> Cost:
        own = 2 * DEQUANTIZE + work if qb is not None else DEQUANTIZE + work
        return (own + QUANTIZE) * out.numel

    pair.__doc__ = "Both sides (or one, and a number) as numbers, one operation, and relu where named; quantized."
    cost = (Cost(add=2, multiply=2) + work + Cost(divide=1, compare=3, add=1)) * 12
    case = Case({"qa": (3, 4), "qb": (3, 4)}, (3, 4), cost)
    formula(f"quantized::{name}", f"quantized::{name}_out", case=case)(pair)


for _name, _work in (("add", Cost(add=1)), ("mul", Cost(multiply=1))):
    _declare_pair(_name, _work)
    _declare_pair(f"{_name}_relu", _work + _AFTER["_relu"])
    _declare_pair(f"{_name}_scalar", _work)
    _declare_pair(f"{_name}_scalar_relu", _work + _AFTER["_relu"])
