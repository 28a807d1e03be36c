"""Convolutions, ordinary and transposed, forward and backward.

N batch · Ci, Co channels in and out · G groups · K kernel sizes · I, O spatial sizes in and out · s stride · d dilation

Ordinary: out[n,o,y] = sum over the Ci/G channels c and the taps k of x[n,c,s*y + d*k - padding] * w[o,c,k]; dense, so
positions in the padding count. Transposed: x[n,c,i] * w[c,o,k] is added to position s*i + d*k of a canvas, which is
then cropped by the padding; what falls outside counts as well. The gradient of one by its input is the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from flopsight.cost import Cost, TensorSpec, product
from flopsight.formulas.parts import ACTIVATIONS, BINARIES, RELU, gathered, products, scaled
from flopsight.formulas.registry import Case, formula

Sizes = Sequence[int]


def _reached(size: int, taps: int, stride: int, dilation: int) -> int:
    """How many positions s*i + d*k there are for i < size and k < taps.

    Pairs (i, k) and (i + d', k - s') meet, s' = s / gcd(s, d) and d' = d / gcd(s, d): size*taps pairs, less those that
    repeat an earlier one. A symbolic size is taken to be at least d'.
    """
    s, d = stride // gcd(stride, dilation), dilation // gcd(stride, dilation)
    again = size - d
    if isinstance(again, int):
        again = max(again, 0)
    return size * taps - again * max(taps - s, 0)


def _each(values: Sizes, count: int) -> list[int]:
    """One value a dimension; a single one stands for all."""
    return list(values) if len(values) == count else list(values) * count


def ordinary(weight: TensorSpec, out: TensorSpec, *, bias: bool) -> Cost:
    """One dot product of length Ci/G * prod(K) for each result, and its bias."""
    return products(out, outputs=out.numel, length=product(weight.shape[1:]), bias=bias)


def scattered(source: TensorSpec, weight: TensorSpec, channels: int, stride: Sizes, dilation: Sizes) -> Cost:
    """Each element of source times the weights of its channel, summed on a canvas of `channels` channels.

    source.numel * prod(weight.shape[1:]) products; positions of the canvas that none reaches need no sum.
    """
    kernel = weight.shape[2:]
    spatial = source.shape[source.ndim - len(kernel) :]
    steps = zip(spatial, kernel, _each(stride, len(kernel)), _each(dilation, len(kernel)), strict=True)
    batch = product(source.shape[: source.ndim - len(kernel) - 1])
    reached = batch * channels * product(_reached(*step) for step in steps)
    return gathered(source, macs=source.numel * product(weight.shape[1:]), results=reached)


def transposed_products(
    source: TensorSpec, weight: TensorSpec, groups: int, stride: Sizes, dilation: Sizes, bias: int
) -> Cost:
    """A transposed convolution of source, and so many additions of a bias."""
    return scattered(source, weight, weight.shape[1] * groups, stride, dilation) + Cost(biases=bias)


@formula(
    "aten::convolution",
    "aten::_convolution",
    "aten::convolution_overrideable",
    case=Case(
        {
            "input": (2, 4, 8, 8),
            "weight": (6, 2, 3, 3),
            "bias": (6,),
            "stride": [1, 1],
            "dilation": [1, 1],
            "transposed": False,
            "groups": 2,
        },
        (2, 6, 6, 6),
        Cost(macs=2 * 6 * 6 * 6 * 2 * 3 * 3, results=2 * 6 * 6 * 6, biases=2 * 6 * 6 * 6),
    ),
)
def convolution(
    input: TensorSpec,
    weight: TensorSpec,
    bias: TensorSpec | None,
    stride: Sizes,
    dilation: Sizes,
    transposed: bool,
    groups: int,
    out: TensorSpec,
) -> Cost:
    """N*Co*prod(O) dot products of length Ci/G*prod(K), and a bias; transposed: N*Ci*prod(I) inputs times Co/G*prod(K).

    Without bias (2*Ci*K*K - 1)*H*W*Co operations, with bias 2*Ci*K*K*H*W*Co, for a square kernel and one group.
    """
    if transposed:
        return transposed_products(input, weight, groups, stride, dilation, out.numel if bias is not None else 0)
    return ordinary(weight, out, bias=bias is not None)


@formula(
    "aten::conv1d",
    "aten::conv2d",
    "aten::conv3d",
    "aten::_convolution_mode",
    "aten::mkldnn_convolution",
    "aten::cudnn_convolution",
    "aten::miopen_convolution",
    "aten::miopen_depthwise_convolution",
    "aten::_mps_convolution",
    "aten::_nnpack_spatial_convolution",
    "aten::_slow_conv2d_forward",
    "aten::thnn_conv2d",
    "aten::slow_conv3d",
    "aten::slow_conv3d_forward",
    "aten::slow_conv_dilated2d",
    "aten::slow_conv_dilated3d",
    "aten::_conv_depthwise2d",
    "aten::conv_depthwise3d",
    case=Case({"weight": (6, 4, 3), "bias": None}, (2, 6, 10), Cost(macs=2 * 6 * 10 * 4 * 3, results=2 * 6 * 10)),
)
def forward(weight: TensorSpec, out: TensorSpec, bias: TensorSpec | None = None) -> Cost:
    """N*Co*prod(O) dot products of length Ci/G*prod(K), and a bias."""
    return ordinary(weight, out, bias=bias is not None)


@formula(
    "aten::cudnn_convolution_relu",
    "aten::miopen_convolution_relu",
    case=Case(
        {"weight": (6, 4, 3), "bias": (6,)},
        (2, 6, 10),
        Cost(macs=2 * 6 * 10 * 4 * 3, results=120, biases=120, compare=120),
    ),
)
def relu_after(weight: TensorSpec, bias: TensorSpec | None, out: TensorSpec) -> Cost:
    """An ordinary convolution, then relu of each result."""
    return ordinary(weight, out, bias=bias is not None) + RELU * out.numel


@formula(
    "aten::cudnn_convolution_add_relu",
    "aten::miopen_convolution_add_relu",
    case=Case(
        {"weight": (6, 4, 3), "bias": (6,), "alpha": None},
        (2, 6, 10),
        Cost(macs=2 * 6 * 10 * 4 * 3, results=120, biases=120, add=120, compare=120),
    ),
)
def add_relu_after(weight: TensorSpec, bias: TensorSpec | None, alpha: complex | None, out: TensorSpec) -> Cost:
    """relu(convolution + alpha*z): an addition and a comparison a result, a multiplication more unless alpha is 1."""
    after = RELU + Cost(add=1) + scaled(out, 1 if alpha is None else alpha, 1)
    return ordinary(weight, out, bias=bias is not None) + after * out.numel


@formula(
    "mkldnn::_convolution_pointwise",
    case=Case(
        {"W": (6, 4, 3), "B": (6,), "attr": "relu"},
        (2, 6, 10),
        Cost(macs=2 * 6 * 10 * 4 * 3, results=120, biases=120, compare=120),
    ),
)
def pointwise_after(
    W: TensorSpec,
    B: TensorSpec | None,
    out: TensorSpec,
    attr: str = "none",
    binary_attr: str = "none",
    unary_attr: str | None = None,
) -> Cost:
    """An ordinary convolution, then what the call names: an operation with another tensor, an activation."""
    after = ACTIVATIONS[attr] + BINARIES[binary_attr] + ACTIVATIONS[unary_attr]
    return ordinary(W, out, bias=B is not None) + after * out.numel


@formula(
    "aten::conv_tbc",
    case=Case({"weight": (3, 4, 6)}, (10, 2, 6), Cost(macs=10 * 2 * 6 * 3 * 4, results=10 * 2 * 6, biases=10 * 2 * 6)),
)
def conv_tbc(weight: TensorSpec, out: TensorSpec) -> Cost:
    """T*B*Co dot products of length K*Ci, and a bias; the weight is (K, Ci, Co)."""
    K, Ci, _ = weight.shape
    return products(out, outputs=out.numel, length=K * Ci, bias=True)
