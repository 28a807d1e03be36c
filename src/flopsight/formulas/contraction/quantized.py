"""Matrix products with quantized weights of other packages, by the names they register: bitsandbytes, torchao.

M rows · K shared · N columns. Names and arguments are those of bitsandbytes 0.48 and torchao 0.13.
"""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import Cost, TensorSpec, contraction, product
from flopsight.formulas.parts import reduced
from flopsight.formulas.registry import Case, formula

DEQUANTIZE = Cost(multiply=1)
"""code[q] * absmax of its block, the code being looked up"""


def _int8(A: TensorSpec, B: TensorSpec) -> Cost:
    return contraction(outputs=product(A.shape[:-1]) * B.shape[0], length=A.shape[-1])


@formula("bitsandbytes::int8_linear_matmul", case=Case({"A": (3, 4), "B": (5, 4)}, (3, 5), Cost(macs=60, results=15)))
def int8_linear_matmul(A: TensorSpec, B: TensorSpec) -> Cost:
    """M*N results, each a dot product of length K of integers."""
    return _int8(A, B)


@formula(
    "bitsandbytes::int8_scaled_mm",
    case=Case({"A": (3, 4), "B": (5, 4), "bias": (5,)}, (3, 5), Cost(macs=60, results=15, biases=15, multiply=45)),
)
def int8_scaled_mm(A: TensorSpec, B: TensorSpec, out: TensorSpec, bias: TensorSpec | None = None) -> Cost:
    """M*N dot products of length K of integers, each times its row's, its column's and one common scale; + bias."""
    return _int8(A, B) + Cost(multiply=3 * out.numel, biases=out.numel if bias is not None else 0)


@formula(
    "bitsandbytes::int8_mixed_scaled_mm",
    case=Case(
        {"CA": (3, 4), "CB": (5, 4), "bias": None, "outlier_cols": (2,)},
        ((3, 5), (3, 2)),
        Cost(macs=60 + 15 * 2, results=30, multiply=45 + 2 * 5, add=15),
    ),
)
def int8_mixed_scaled_mm(
    CA: TensorSpec, CB: TensorSpec, bias: TensorSpec | None = None, outlier_cols: TensorSpec | None = None
) -> Cost:
    """int8_scaled_mm, and for the columns of outliers a dequantized product that is added to it."""
    M, N = product(CA.shape[:-1]), CB.shape[0]
    cost = _int8(CA, CB) + Cost(multiply=3 * M * N, biases=M * N if bias is not None else 0)
    if outlier_cols is None:
        return cost
    outliers = outlier_cols.numel
    return cost + contraction(outputs=M * N, length=outliers) + Cost(multiply=outliers * N, add=M * N)


@formula(
    "bitsandbytes::int8_mm_dequant",
    case=Case({"A": (3, 5), "bias": (5,)}, (3, 5), Cost(multiply=45, add=15)),
)
def int8_mm_dequant(A: TensorSpec, bias: TensorSpec | None = None) -> Cost:
    """y = x * its row's, its column's and one common scale, + bias."""
    return Cost(multiply=3 * A.numel, add=A.numel if bias is not None else 0)


@formula(
    "bitsandbytes::gemv_4bit", "bitsandbytes::gemm_4bit",
    case=Case({"A": (1, 4), "shapeB": [5, 4]}, (1, 5), Cost(macs=20, results=5, multiply=20)),
)  # fmt: skip
def gemm_4bit(A: TensorSpec, shapeB: Sequence[int], bias: TensorSpec | None = None) -> Cost:
    """M*N results of length K; each of the K*N weights is looked up and times its block's scale first."""
    N, K = shapeB
    outputs = product(A.shape[:-1]) * N
    return contraction(outputs=outputs, length=K, bias=bias is not None) + N * K * DEQUANTIZE


@formula(
    "bitsandbytes::dequantize_4bit", "bitsandbytes::dequantize_blockwise", "bitsandbytes::int8_vectorwise_dequant",
    case=Case({}, (3, 4), Cost(multiply=12)),
)  # fmt: skip
def dequantize(out: TensorSpec) -> Cost:
    """y = code[q] * scale of its block: a product an element, the code being looked up."""
    return out.numel * DEQUANTIZE


@formula(
    "bitsandbytes::int8_vectorwise_quant",
    case=Case({"A": (3, 4)}, ((3, 4), (3,), None), Cost(compare=12 + 9 + 12, multiply=12, divide=3)),
)
def int8_vectorwise_quant(A: TensorSpec) -> Cost:
    """q = round(x * (127 / max|x| of the row)): n absolute values, products, roundings; n - M comparisons, M divisions.

    Columns of outliers, which a threshold sets apart, count like the others.
    """
    rows = product(A.shape[:-1])
    return Cost(compare=2 * A.numel + reduced(A.numel, rows), multiply=A.numel, divide=rows)


def _scaled(out: TensorSpec, length: int, bias: TensorSpec | None) -> Cost:
    return contraction(outputs=out.numel, length=length, bias=bias is not None) + Cost(multiply=2 * out.numel)


@formula(
    "torchao::rowwise_scaled_linear_cutlass_s8s4", "torchao::rowwise_scaled_linear_sparse_cutlass_f8f8",
    case=Case({"input": (3, 4), "bias": None}, (3, 5), Cost(macs=60, results=15, multiply=30)),
)  # fmt: skip
def rowwise_scaled_linear(input: TensorSpec, out: TensorSpec, bias: TensorSpec | None = None) -> Cost:
    """M*N results of length K, each times its row's and its column's scale; + bias. Sparse weights count as dense."""
    return _scaled(out, input.shape[-1], bias)


@formula(
    "torchao::rowwise_scaled_linear_cutlass_s4s4",
    case=Case({"input": (3, 2), "bias": None}, (3, 5), Cost(macs=60, results=15, multiply=30)),
)
def rowwise_scaled_linear_4bit(input: TensorSpec, out: TensorSpec, bias: TensorSpec | None = None) -> Cost:
    """M*N results of length K, each times its row's and its column's scale; + bias. Two inputs share a byte."""
    return _scaled(out, 2 * input.shape[-1], bias)


@formula(
    "torchao::marlin_24_gemm", "torchao::marlin_qqq_gemm",
    case=Case({"size_m": 3, "size_n": 5, "size_k": 4}, (3, 5), Cost(macs=60, results=15, multiply=20)),
)  # fmt: skip
def marlin(size_m: int, size_n: int, size_k: int) -> Cost:
    """M*N results of length K; each of the K*N weights times its group's scale first. Sparse weights count as dense."""
    return contraction(outputs=size_m * size_n, length=size_k) + size_n * size_k * DEQUANTIZE
