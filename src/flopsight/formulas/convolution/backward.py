"""Gradients of convolutions; letters and conventions as in `convolution`."""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import ZERO, Cost, TensorSpec, product
from flopsight.formulas.convolution.forward import Sizes, ordinary, scattered
from flopsight.formulas.parts import products, summed
from flopsight.formulas.registry import Case, formula


def _gradients(
    grad: TensorSpec, input: TensorSpec, weight: TensorSpec, *, transposed: bool, stride: Sizes, dilation: Sizes
) -> tuple[Cost, Cost, Cost]:
    """The costs of the gradients of input, weight and bias."""
    batch, channels = grad.shape[:2]
    if transposed:
        of_input = ordinary(weight, input, bias=False)
        positions = product(input.shape[2:])
    else:
        of_input = scattered(grad, weight, input.shape[1], stride, dilation)
        positions = product(grad.shape[2:])
    return of_input, products(grad, outputs=weight.numel, length=batch * positions), summed(grad, grad.numel, channels)


def _wanted(parts: tuple[Cost, ...], output_mask: Sequence[bool]) -> Cost:
    return sum((part for part, wanted in zip(parts, output_mask, strict=False) if wanted), ZERO)


@formula(
    "aten::convolution_backward",
    "aten::convolution_backward_overrideable",
    case=Case(
        {
            "grad_output": (2, 6, 5),
            "input": (2, 4, 7),
            "weight": (6, 2, 3),
            "stride": [1],
            "dilation": [1],
            "transposed": False,
            "output_mask": [True, True, True],
        },
        ((2, 4, 7), (6, 2, 3), (6,)),
        Cost(macs=2 * (2 * 6 * 5) * 2 * 3, results=2 * 4 * 7 + 6 * 2 * 3, add=2 * 6 * 5 - 6),
    ),
)
def convolution_backward(
    grad_output: TensorSpec,
    input: TensorSpec,
    weight: TensorSpec,
    stride: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_mask: Sequence[bool],
) -> Cost:
    """As many multiply-accumulates as forward for the gradient of input and for that of weight; the bias: sums.

    input: the other kind of convolution of grad_output, whose results are the padded positions that get a term.
    weight: Co*Ci/G*prod(K) dot products of length N*prod(O) (transposed: N*prod(I)). bias: N*prod(O) - 1 additions a
    channel.
    """
    parts = _gradients(grad_output, input, weight, transposed=transposed, stride=stride, dilation=dilation)
    return _wanted(parts, output_mask)


@formula(
    "aten::_slow_conv2d_backward",
    case=Case(
        {
            "grad_output": (2, 6, 4, 5),
            "self": (2, 4, 4, 7),
            "weight": (6, 4, 1, 3),
            "stride": [1, 1],
            "output_mask": [True, True, False],
        },
        ((2, 4, 4, 7), (6, 4, 1, 3), None),
        Cost(macs=2 * (2 * 6 * 4 * 5) * 4 * 3, results=2 * 4 * 4 * 7 + 6 * 4 * 3),
    ),
)
@formula(
    "aten::mps_convolution_backward",
    case=Case(
        {
            "grad_output": (2, 6, 5),
            "self": (2, 4, 7),
            "weight": (6, 2, 3),
            "stride": [1],
            "dilation": [1],
            "output_mask": [False, True, False],
        },
        (None, (6, 2, 3), None),
        Cost(macs=6 * 2 * 3 * 2 * 5, results=6 * 2 * 3),
    ),
)
def ordinary_backward(
    grad_output: TensorSpec,
    self: TensorSpec,
    weight: TensorSpec,
    stride: Sizes,
    dilation: Sizes = (1,),
    output_mask: Sequence[bool] = (True, True, True),
) -> Cost:
    """As `convolution_backward`, ordinary."""
    parts = _gradients(grad_output, self, weight, transposed=False, stride=stride, dilation=dilation)
    return _wanted(parts, output_mask)


@formula(
    "aten::mps_convolution_transpose_backward",
    case=Case(
        {
            "grad_output": (2, 3, 11),
            "self": (2, 4, 5),
            "weight": (4, 3, 3),
            "stride": [2],
            "dilation": [1],
            "output_mask": [True, True],
        },
        ((2, 4, 5), (4, 3, 3)),
        Cost(macs=2 * (2 * 4 * 5) * 3 * 3, results=2 * 4 * 5 + 4 * 3 * 3),
    ),
)
def mps_convolution_transpose_backward(
    grad_output: TensorSpec,
    self: TensorSpec,
    weight: TensorSpec,
    stride: Sizes,
    dilation: Sizes,
    output_mask: Sequence[bool],
) -> Cost:
    """As `convolution_backward`, transposed, without bias."""
    parts = _gradients(grad_output, self, weight, transposed=True, stride=stride, dilation=dilation)
    return _wanted(parts, output_mask)


@formula(
    "aten::conv_tbc_backward",
    case=Case(
        {"self": (5, 2, 6), "input": (7, 2, 4), "weight": (3, 4, 6)},
        ((7, 2, 4), (3, 4, 6), (6,)),
        Cost(macs=2 * (5 * 2 * 6) * 3 * 4, results=7 * 2 * 4 + 3 * 4 * 6, add=5 * 2 * 6 - 6),
    ),
)
def conv_tbc_backward(self: TensorSpec, input: TensorSpec, weight: TensorSpec) -> Cost:
    """As `convolution_backward` with all three gradients; self is the gradient of the result, (T, B, Co)."""
    T, B, Co = self.shape
    K, Ci, _ = weight.shape
    parts = _gradients(
        TensorSpec((B, Co, T), self.dtype),
        TensorSpec((B, Ci, input.shape[0]), input.dtype),
        TensorSpec((Co, Ci, K), weight.dtype),
        transposed=False,
        stride=[1],
        dilation=[1],
    )
    return sum(parts, ZERO)
