"""Matrix products of few bits: scaled, or with a weight that is dequantized on the way. Letters as in `contraction`."""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec, contraction
from flopsight.formulas.contraction.products import grouped_mm
from flopsight.formulas.parts import ACTIVATIONS
from flopsight.formulas.quantized.tensors import QUANTIZE, chosen
from flopsight.formulas.registry import Case, formula


def _scaled(out: TensorSpec, factors: int) -> Cost:
    return Cost(multiply=factors * out.numel)


@formula(
    "aten::_scaled_mm",
    "aten::_scaled_mm_v2",
    case=Case({"self": (4, 5), "bias": (6,)}, (4, 6), Cost(macs=4 * 6 * 5, results=24, biases=24, multiply=2 * 24)),
)
def scaled_mm(
    self: TensorSpec, bias: TensorSpec | None, out: TensorSpec, scale_result: TensorSpec | None = None
) -> Cost:
    """scale_a * scale_b * (self @ mat2) + bias: M*N dot products of length K, two factors each; a third for the result.

    Scales of blocks along K (mx formats) count as one of a row: their partial sums are left out.
    """
    own = contraction(outputs=out.numel, length=self.shape[-1], bias=bias is not None)
    return own + _scaled(out, 2 if scale_result is None else 3)


@formula(
    "aten::_scaled_grouped_mm",
    "aten::_scaled_grouped_mm_v2",
    case=Case({"self": (8, 5), "mat2": (3, 5, 6)}, (8, 6), Cost(macs=8 * 6 * 5, results=48, multiply=2 * 48)),
)
def scaled_grouped_mm(
    self: TensorSpec,
    mat2: TensorSpec,
    out: TensorSpec,
    bias: TensorSpec | None = None,
    scale_result: TensorSpec | None = None,
) -> Cost:
    """`_grouped_mm`, times scale_a and scale_b, and the scale of the result where given."""
    return grouped_mm(self, mat2, out, bias) + _scaled(out, 2 if scale_result is None else 3)


@formula(
    "aten::_weight_int8pack_mm",
    case=Case({"self": (4, 5)}, (4, 6), Cost(macs=4 * 6 * 5, results=24, multiply=24)),
)
def weight_int8(self: TensorSpec, out: TensorSpec) -> Cost:
    """scales * (self @ mat2^T): M*N dot products of length K, one factor each."""
    return contraction(outputs=out.numel, length=self.shape[-1]) + _scaled(out, 1)


@formula(
    "aten::_weight_int4pack_mm",
    "aten::_weight_int4pack_mm_for_cpu",
    "aten::_weight_int4pack_mm_with_scales_and_zeros",
    "quantized::int4mm_packed_weight_cpu",
    case=Case({"self": (4, 5)}, (4, 6), Cost(macs=4 * 6 * 5, results=24, multiply=5 * 6, add=5 * 6)),
)
def weight_int4(self: TensorSpec, out: TensorSpec) -> Cost:
    """self @ (q * scale + zero): the K*N weights dequantized once, then M*N dot products of length K."""
    K, N = self.shape[-1], out.shape[-1]
    return contraction(outputs=out.numel, length=K) + Cost(multiply=K * N, add=K * N)


@formula(
    "aten::_dyn_quant_matmul_4bit",
    case=Case(
        {"inp": (4, 5), "in_features": 5, "out_features": 6},
        (4, 6),
        Cost(
            macs=120, results=24, multiply=24 + 30, compare=2 * 16 + 6 * 4 + 3 * 20, add=2 * 4 + 20, divide=2 * 4 + 20
        ),
    ),
)
def dynamic_int4(inp: TensorSpec, in_features: int, out_features: int) -> Cost:
    """(quantized inp) @ (q * scale), then the scale of the row: rows quantized, K*N weights scaled, M*N of length K."""
    rows = TensorSpec(inp.shape[:-1]).numel
    row_quantization = chosen(inp.numel, rows) + QUANTIZE * inp.numel
    outputs = rows * out_features
    scales = Cost(multiply=in_features * out_features + outputs)
    return contraction(outputs=outputs, length=in_features) + row_quantization + scales


@formula(
    "aten::_mixed_dtypes_linear",
    case=Case(
        {"input": (4, 5), "bias": (6,), "activation": "relu"},
        (4, 6),
        Cost(macs=4 * 6 * 5, results=24, biases=24, multiply=24, compare=24),
    ),
)
def mixed_linear(
    input: TensorSpec, out: TensorSpec, bias: TensorSpec | None = None, activation: str | None = None
) -> Cost:
    """scale * (input @ weight) + bias, then the activation: M*N dot products of length K, one factor each."""
    own = contraction(outputs=out.numel, length=input.shape[-1], bias=bias is not None) + _scaled(out, 1)
    return own + (ACTIVATIONS[activation] * out.numel if activation else ZERO)
