"""Products of experts by transformers itself, where PyTorch has none: S rows · G experts · K inputs · N outputs"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.contraction.products import grouped_mm
from flopsight.formulas.registry import Case, formula


@formula(
    "transformers::grouped_mm_fallback",
    case=Case({"input": (8, 5), "weight": (3, 5, 6)}, (8, 6), Cost(macs=8 * 6 * 5, results=8 * 6)),
)
def experts(input: TensorSpec, weight: TensorSpec, out: TensorSpec) -> Cost:
    """Each of S*N results is a dot product of length K, with the weight of the expert that the row belongs to."""
    return grouped_mm(input, weight, out)


@formula(
    "transformers::grouped_mm_fallback_backward",
    case=Case(
        {"input": (8, 5), "weight": (3, 5, 6), "grad_output": (8, 6)},
        ((8, 5), (3, 5, 6)),
        Cost(macs=2 * 8 * 6 * 5, results=8 * 5 + 3 * 5 * 6),
    ),
)
def experts_backward(input: TensorSpec, weight: TensorSpec, grad_output: TensorSpec) -> Cost:
    """dX = dY W^T: S*K dot products of length N. dW = X^T dY: K*N results of each of G experts share S terms.

    Of those experts at most S have a row.
    """
    S, K = input.shape
    by_columns = TensorSpec((K, S), input.dtype)
    return grouped_mm(grad_output, weight, input) + grouped_mm(by_columns, grad_output, weight)
