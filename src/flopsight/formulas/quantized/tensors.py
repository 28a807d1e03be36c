"""Quantization: numbers to integers and back.   low, high the integers' bounds · zero the integer that stands for 0"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec, product
from flopsight.formulas.equation import elementwise
from flopsight.formulas.parts import reduced
from flopsight.formulas.registry import Case, formula, zero

FAMILY = "quantized"

QUANTIZE = Cost(divide=1, compare=3, add=1)
"""min(max(round(x / scale) + zero, low), high)"""
DEQUANTIZE = Cost(add=1, multiply=1)
"""(x - zero) * scale"""
CHOICE = Cost(compare=6, add=2, divide=2)
"""scale = max((max(most, 0) - min(least, 0)) / levels, eps); zero = min(max(low - round(least / scale), low), high)"""

_PACKING = """
    quantized::linear_prepack quantized::linear_prepack_fp16 quantized::conv1d_prepack quantized::conv2d_prepack
    quantized::conv3d_prepack quantized::conv_prepack quantized::conv_transpose1d_prepack
    quantized::conv_transpose2d_prepack quantized::conv_transpose3d_prepack onednn::qlinear_prepack
    onednn::qconv_prepack onednn::linear_prepack_fp16 mkldnn::_reorder_convolution_transpose_weight
    mkldnn::_reorder_convolution_weight mkldnn::_reorder_linear_weight mkldnn::_reorder_mkldnn_rnn_layer_weight
"""
zero("packs a weight, once", *_PACKING.split(), family=FAMILY)

elementwise(
    FAMILY,
    {
        "min(max(round(x / scale) + zero, low), high)": """
            quantize_per_tensor quantize_per_channel quantized_decomposed::quantize_per_tensor
            quantized_decomposed::quantize_per_channel quantized_decomposed::quantize_per_token
            quantized_decomposed::quantize_per_channel_group""",
        "(x - zero) * scale": """
            dequantize quantized_decomposed::dequantize_per_tensor quantized_decomposed::dequantize_per_channel
            quantized_decomposed::dequantize_per_token quantized_decomposed::dequantize_per_channel_group""",
        "(min(max(round(x / scale) + zero, low), high) - zero) * scale": """
            fake_quantize_per_tensor_affine fake_quantize_per_channel_affine _fake_quantize_learnable_per_tensor_affine
            _fake_quantize_learnable_per_channel_affine quantized_decomposed::fake_quant_per_channel""",
        "g * mask": """
            fake_quantize_per_tensor_affine_cachemask_backward fake_quantize_per_channel_affine_cachemask_backward""",
    },
)


def chosen(size: int, sets: int) -> Cost:
    """Scale and zero point of each set from its smallest and largest number."""
    return Cost(compare=2 * reduced(size, sets)) + CHOICE * sets


@formula(
    "aten::quantize_per_tensor_dynamic",
    case=Case({"self": (3, 4)}, (3, 4), Cost(compare=2 * 11 + 6 + 3 * 12, add=2 + 12, divide=2 + 12)),
)
def quantize_dynamic(self: TensorSpec) -> Cost:
    """The smallest and largest number give the scale and zero point, by which each is quantized."""
    return chosen(self.numel, 1) + QUANTIZE * self.numel


@formula(
    "quantized_decomposed::choose_qparams",
    case=Case({"input": (3, 4)}, ((1,), (1,)), Cost(compare=2 * 11 + 6, add=2, divide=2)),
)
def choose(input: TensorSpec) -> Cost:
    """scale = (most - least) / levels and zero = low - round(least / scale), each kept within bounds."""
    return chosen(input.numel, 1)


@formula(
    "quantized_decomposed::choose_qparams_per_token_asymmetric",
    "quantized_decomposed::_choose_qparams_per_token_asymmetric_impl",
    case=Case({"input": (3, 4)}, ((3, 1), (3, 1)), Cost(compare=2 * 9 + 6 * 3, add=2 * 3, divide=2 * 3)),
)
def choose_by_row(input: TensorSpec) -> Cost:
    """scale = (most - least) / levels and zero = low - round(least / scale) for each row, kept within bounds."""
    return chosen(input.numel, product(input.shape[:-1]))


@formula(
    "aten::fake_quantize_per_tensor_affine_cachemask",
    "aten::fake_quantize_per_channel_affine_cachemask",
    "aten::_fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
    case=Case({"self": (3, 4)}, ((3, 4), (3, 4)), Cost(divide=12, add=2 * 12, multiply=12, compare=6 * 12)),
)
def fake_quantize(self: TensorSpec) -> Cost:
    """(min(max(q, low), high) - zero) * scale with q = round(x / scale) + zero, and the mask low <= q <= high."""
    return (QUANTIZE + DEQUANTIZE + Cost(compare=3)) * self.numel
