"""Convolutions of integers.   N batch · Ci, Co channels in and out · G groups · K kernel sizes · I, O spatial sizes

As in `quantized_layers`: zero points subtracted first, results scaled, and quantized where they are to be integers.
"""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec, contraction, product
from flopsight.formulas.parts import ACTIVATIONS, gathered
from flopsight.formulas.quantized.layers import SCALED, finished, integers
from flopsight.formulas.quantized.tensors import DEQUANTIZE, QUANTIZE, quantize_dynamic
from flopsight.formulas.registry import Case, formula


@formula(
    "onednn::qconv1d_pointwise",
    "onednn::qconv2d_pointwise",
    "onednn::qconv3d_pointwise",
    "onednn::qconv_pointwise",
    case=Case(
        {"qx": (2, 4, 12), "qw": (6, 4, 3), "bias": None, "attr": "none"},
        (2, 6, 10),
        Cost(macs=120 * 12, results=120, add=96 + 72 + 120, multiply=120, compare=3 * 120, divide=120),
    ),
)
def onednn_convolution(
    qx: TensorSpec,
    qw: TensorSpec,
    bias: TensorSpec | None,
    out: TensorSpec,
    attr: str = "none",
    binary_attr: str = "none",
    unary_attr: str | None = "none",
    output_dtype: str | None = None,
) -> Cost:
    """N*Co*prod(O) dot products of length Ci/G*prod(K) of integers, scaled, a bias, what follows by name, quantized."""
    own = contraction(outputs=out.numel, length=product(qw.shape[1:]), bias=bias is not None)
    return integers(qx, qw, own) + finished(attr, binary_attr, unary_attr, output_dtype) * out.numel


def _convolved(qx: TensorSpec, packed: TensorSpec, bias: TensorSpec | None, out: TensorSpec, after: Cost) -> Cost:
    products = contraction(outputs=out.numel, length=product(packed.shape[1:]), bias=bias is not None)
    return integers(qx, packed, products) + (SCALED + after) * out.numel


_CONVOLVED = Cost(macs=120 * 12, results=120, add=96 + 72, multiply=120)


def _declare_convolution(name: str, after: Cost, *, accumulates: bool = False) -> None:
    added = DEQUANTIZE + Cost(add=1) if accumulates else ZERO

    def convolution(
        qx: TensorSpec,
        out: TensorSpec,
        packed_weight: TensorSpec | None = None,
        weight: TensorSpec | None = None,
        packed_bias: TensorSpec | None = None,
    ) -> Cost:
        packed = weight if packed_weight is None else packed_weight
        return ZERO if packed is None else _convolved(qx, packed, packed_bias, out, added + after + QUANTIZE)

    convolution.__doc__ = "N*Co*prod(O) dot products of length Ci/G*prod(K) of integers, scaled, and quantized."
    given = {"qx": (2, 4, 12), "packed_weight": (6, 4, 3)}
    each = Cost(divide=1, compare=3, add=1) + after + (Cost(add=2, multiply=1) if accumulates else ZERO)
    formula(f"quantized::{name}", case=Case(given, (2, 6, 10), _CONVOLVED + each * 120))(convolution)


for _dims in ("1d", "2d", "3d"):
    _declare_convolution(f"conv{_dims}", ZERO)
    _declare_convolution(f"conv{_dims}_relu", ACTIVATIONS["relu"])
_declare_convolution("conv2d_add", ZERO, accumulates=True)
_declare_convolution("conv2d_add_relu", ACTIVATIONS["relu"], accumulates=True)


@formula(
    "quantized::conv1d_dynamic",
    "quantized::conv2d_dynamic",
    "quantized::conv3d_dynamic",
    case=Case(
        {"qx": (2, 4, 12), "packed_weight": (6, 4, 3)},
        (2, 6, 10),
        _CONVOLVED + Cost(compare=2 * 95 + 6 + 3 * 96, add=2 + 96, divide=2 + 96),
    ),
)
def dynamic_convolution(
    qx: TensorSpec, packed_weight: TensorSpec, out: TensorSpec, packed_bias: TensorSpec | None = None
) -> Cost:
    """The input quantized by its own range, N*Co*prod(O) dot products of length Ci/G*prod(K) of integers, scaled."""
    return quantize_dynamic(qx) + _convolved(qx, packed_weight, packed_bias, out, ZERO)


def _scattered(qx: TensorSpec, packed: TensorSpec, bias: TensorSpec | None, out: TensorSpec) -> Cost:
    macs = qx.numel * product(packed.shape[1:])
    added = Cost(biases=0 if bias is None else out.numel)
    return integers(qx, packed, gathered(qx, macs=macs, results=out.numel)) + added + SCALED * out.numel


@formula(
    "quantized::conv_transpose1d",
    "quantized::conv_transpose2d",
    "quantized::conv_transpose3d",
    case=Case(
        {"qx": (2, 4, 5), "packed_weight": (4, 3, 3)},
        (2, 3, 7),
        Cost(macs=40 * 9, results=42, add=40 + 36 + 42, multiply=42, divide=42, compare=3 * 42),
    ),
)
def transposed_convolution(
    qx: TensorSpec, packed_weight: TensorSpec, out: TensorSpec, packed_bias: TensorSpec | None = None
) -> Cost:
    """N*Ci*prod(I) inputs times Co/G*prod(K) weights, scaled, and quantized; every result is taken to have a term."""
    return _scattered(qx, packed_weight, packed_bias, out) + QUANTIZE * out.numel


@formula(
    "quantized::conv_transpose1d_dynamic",
    "quantized::conv_transpose2d_dynamic",
    "quantized::conv_transpose3d_dynamic",
    case=Case(
        {"qx": (2, 4, 5), "packed_weight": (4, 3, 3)},
        (2, 3, 7),
        Cost(macs=40 * 9, results=42, add=2 + 40 + 40 + 36, multiply=42, divide=2 + 40, compare=2 * 39 + 6 + 3 * 40),
    ),
)
def dynamic_transposed_convolution(
    qx: TensorSpec, packed_weight: TensorSpec, out: TensorSpec, packed_bias: TensorSpec | None = None
) -> Cost:
    """The input quantized by its own range, N*Ci*prod(I) inputs times Co/G*prod(K) weights of integers, scaled."""
    return quantize_dynamic(qx) + _scattered(qx, packed_weight, packed_bias, out)
