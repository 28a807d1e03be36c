"""Fully connected layers.   M rows (all leading dimensions) · K inputs · N outputs"""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec, contraction, product
from flopsight.formulas.parts import ACTIVATIONS, BINARIES, products, summed
from flopsight.formulas.registry import Case, formula


@formula(
    "aten::linear",
    "aten::mkldnn_linear",
    case=Case(
        {"input": (2, 3, 5), "weight": (6, 5), "bias": (6,)}, (2, 3, 6), Cost(macs=36 * 5, results=36, biases=36)
    ),
)
def linear(weight: TensorSpec, bias: TensorSpec | None, out: TensorSpec) -> Cost:
    """One dot product of length K for each result, and its bias: (2*K - 1) operations without, 2*K with a bias."""
    return products(out, outputs=out.numel, length=weight.shape[-1], bias=bias is not None)


@formula(
    "aten::linear_backward",
    "aten::mkldnn_linear_backward",
    case=Case(
        {"self": (4, 5), "grad_output": (4, 6), "weight": (6, 5), "output_mask": [True, True, True]},
        ((4, 5), (6, 5), (6,)),
        Cost(macs=4 * 5 * 6 + 6 * 5 * 4, results=4 * 5 + 6 * 5, add=(4 - 1) * 6),
    ),
)
def linear_backward(self: TensorSpec, grad_output: TensorSpec, output_mask: list[bool]) -> Cost:
    """The input, grad @ weight: M*K dot products of length N; the weight: N*K of length M; the bias: N sums of M."""
    M, N, K = product(grad_output.shape[:-1]), grad_output.shape[-1], self.shape[-1]
    parts = (
        products(self, outputs=M * K, length=N),
        products(self, outputs=N * K, length=M),
        summed(self, M * N, N),
    )
    return sum((part for part, wanted in zip(parts, output_mask, strict=True) if wanted), ZERO)


@formula(
    "aten::mkldnn_linear_backward_input",
    case=Case({"grad_output": (4, 6), "weight": (6, 5)}, (4, 5), Cost(macs=4 * 5 * 6, results=4 * 5)),
)
def linear_backward_input(grad_output: TensorSpec, out: TensorSpec) -> Cost:
    """M*K dot products of length N, grad @ weight."""
    return products(out, outputs=out.numel, length=grad_output.shape[-1])


@formula(
    "aten::mkldnn_linear_backward_weights",
    case=Case(
        {"grad_output": (4, 6), "input": (4, 5), "bias_defined": True},
        ((6, 5), (6,)),
        Cost(macs=6 * 5 * 4, results=6 * 5, add=(4 - 1) * 6),
    ),
)
def linear_backward_weights(grad_output: TensorSpec, input: TensorSpec, bias_defined: bool) -> Cost:
    """N*K dot products of length M, grad^T @ input; and N sums of M for the bias."""
    return linear_backward(input, grad_output, [False, True, bias_defined])


@formula(
    "mkldnn::_linear_pointwise",
    case=Case(
        {"X": (4, 5), "B": (6,), "attr": "relu"}, (4, 6), Cost(macs=4 * 6 * 5, results=24, biases=24, compare=24)
    ),
)
def linear_pointwise(X: TensorSpec, B: TensorSpec | None, attr: str, out: TensorSpec) -> Cost:
    """`linear`, then the activation that attr names, of each result."""
    return contraction(outputs=out.numel, length=X.shape[-1], bias=B is not None) + ACTIVATIONS[attr] * out.numel


@formula(
    "mkldnn::_linear_pointwise.binary",
    case=Case({"X": (4, 5), "B": None, "attr": "add"}, (4, 6), Cost(macs=4 * 6 * 5, results=24, add=24)),
)
def linear_with(X: TensorSpec, B: TensorSpec | None, attr: str, out: TensorSpec) -> Cost:
    """`linear`, then the operation with another tensor that attr names, of each result."""
    return contraction(outputs=out.numel, length=X.shape[-1], bias=B is not None) + BINARIES[attr] * out.numel
