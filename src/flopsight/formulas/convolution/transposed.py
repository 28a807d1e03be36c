"""Transposed convolutions by name; letters and conventions as in `convolution`."""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.convolution.forward import Sizes, transposed_products
from flopsight.formulas.parts import ACTIVATIONS
from flopsight.formulas.registry import Case, formula


@formula(
    "aten::conv_transpose1d",
    "aten::conv_transpose2d",
    "aten::conv_transpose3d",
    case=Case(
        {"input": (2, 4, 5), "weight": (4, 3, 3), "bias": (3,), "stride": [2], "dilation": [1], "groups": 1},
        (2, 3, 11),
        Cost(macs=2 * 4 * 5 * 3 * 3, results=2 * 3 * 11, biases=2 * 3 * 11),
    ),
)
def conv_transpose(
    input: TensorSpec,
    weight: TensorSpec,
    bias: TensorSpec | None,
    stride: Sizes,
    dilation: Sizes,
    groups: int,
    out: TensorSpec,
) -> Cost:
    """N*Ci*prod(I) inputs times Co/G*prod(K) weights each, summed where they meet, and a bias."""
    return transposed_products(input, weight, groups, stride, dilation, out.numel if bias is not None else 0)


@formula(
    "aten::slow_conv_transpose2d",
    "aten::slow_conv_transpose3d",
    "aten::cudnn_convolution_transpose",
    "aten::miopen_convolution_transpose",
    "aten::_mps_convolution_transpose",
    case=Case(
        {"self": (2, 4, 5), "weight": (4, 3, 3), "bias": (3,), "stride": [2], "dilation": [1]},
        (2, 3, 11),
        Cost(macs=2 * 4 * 5 * 3 * 3, results=2 * 3 * 11, biases=2 * 3 * 11),
    ),
)
def conv_transpose_backend(
    self: TensorSpec,
    weight: TensorSpec,
    stride: Sizes,
    dilation: Sizes,
    out: TensorSpec,
    groups: int = 1,
    bias: TensorSpec | None = None,
) -> Cost:
    """N*Ci*prod(I) inputs times Co/G*prod(K) weights each, summed where they meet, and a bias."""
    return transposed_products(self, weight, groups, stride, dilation, out.numel if bias is not None else 0)


@formula(
    "mkldnn::_convolution_transpose_pointwise",
    case=Case(
        {"X": (2, 4, 5), "W": (4, 3, 3), "B": None, "stride": [2], "dilation": [1], "groups": 1, "attr": "relu"},
        (2, 3, 11),
        Cost(macs=2 * 4 * 5 * 3 * 3, results=2 * 3 * 11, compare=2 * 3 * 11),
    ),
)
def transposed_pointwise(
    X: TensorSpec,
    W: TensorSpec,
    B: TensorSpec | None,
    stride: Sizes,
    dilation: Sizes,
    groups: int,
    attr: str,
    out: TensorSpec,
) -> Cost:
    """A transposed convolution, then the activation that attr names, of each result."""
    own = transposed_products(X, W, groups, stride, dilation, out.numel if B is not None else 0)
    return own + ACTIVATIONS[attr] * out.numel
