"""Element-wise work, norms and lookups on integers that stand for numbers.   n elements

Most read (x - zero) * scale, compute, and write min(max(round(y / scale) + zero, low), high); what only bounds or moves
integers does so as they are.
"""

from __future__ import annotations

from functools import partial

from flopsight.cost import Cost, TensorSpec, product
from flopsight.formulas import registry
from flopsight.formulas.normalization import forward as normalization
from flopsight.formulas.parts import SIGMOID, reduced, softmax
from flopsight.formulas.quantized.tensors import DEQUANTIZE, FAMILY, QUANTIZE
from flopsight.formulas.registry import Case, zero

formula = partial(registry.formula, family=FAMILY)

THROUGH = DEQUANTIZE + QUANTIZE

_PACKING = """
    embedding_bag_prepack embedding_bag_unpack linear_prepack_legacy linear_prepack_fp16_legacy linear_unpack
    linear_unpack_fp16 make_quantized_cell_params make_quantized_cell_params_dynamic make_quantized_cell_params_fp16
    conv_unpack conv1d_unpack conv2d_unpack conv2d_unpack_sizes conv3d_unpack conv_transpose1d_unpack
    conv_transpose2d_unpack conv_transpose3d_unpack
"""
zero("packs, unpacks or copies a weight, once", *(f"quantized::{name}" for name in _PACKING.split()), family=FAMILY)
zero("passes numbers on, as inference does", "quantized::dropout", family=FAMILY)


@formula("quantized::threshold", case=Case({}, (3, 4), Cost(compare=12)))
def threshold(out: TensorSpec) -> Cost:
    """x if x > t else v, on integers: a comparison an element."""
    return Cost(compare=out.numel)


@formula("quantized::clamp", "quantized::relu6", case=Case({}, (3, 4), Cost(compare=24)))
def clamp(out: TensorSpec) -> Cost:
    """min(max(x, low), high), on integers: 2 comparisons an element."""
    return Cost(compare=2 * out.numel)


@formula("quantized::sigmoid", case=Case({}, (3, 4), 12 * (THROUGH + SIGMOID)))
def sigmoid(out: TensorSpec) -> Cost:
    """1 / (1 + exp(-x)) of (x - zero) * scale, quantized."""
    return out.numel * (THROUGH + SIGMOID)


@formula("quantized::hardswish", case=Case({}, (3, 4), 12 * (THROUGH + Cost(add=1, compare=2, multiply=1, divide=1))))
def hardswish(out: TensorSpec) -> Cost:
    """x * min(max(x + 3, 0), 6) / 6 of (x - zero) * scale, quantized."""
    return out.numel * (THROUGH + Cost(add=1, compare=2, multiply=1, divide=1))


@formula(
    "quantized::leaky_relu", "quantized::prelu", case=Case({}, (3, 4), 12 * (THROUGH + Cost(compare=1, multiply=1)))
)
def leaky_relu(out: TensorSpec) -> Cost:
    """x if x > 0 else slope * x of (x - zero) * scale, quantized."""
    return out.numel * (THROUGH + Cost(compare=1, multiply=1))


@formula(
    "quantized::elu", "quantized::celu",
    case=Case({"alpha": 2.0}, (3, 4), 12 * (THROUGH + Cost(compare=1, multiply=2, special=1))),
)  # fmt: skip
def elu(out: TensorSpec) -> Cost:
    """x if x > 0 else a * expm1(b * x) of (x - zero) * scale, quantized."""
    return out.numel * (THROUGH + Cost(compare=1, multiply=2, special=1))


@formula("quantized::softmax", case=Case({"qx": (3, 4), "dim": 1}, (3, 4), 12 * THROUGH + softmax(3, 4)))
def quantized_softmax(qx: TensorSpec, dim: int) -> Cost:
    """exp(x - max(x)) / sum(exp(x - max(x))) of (x - zero) * scale, quantized."""
    length = qx.shape[dim]
    rows = product(size for axis, size in enumerate(qx.shape) if axis != dim % qx.ndim)
    return qx.numel * THROUGH + softmax(rows, length)


@formula("quantized::cat", "quantized::cat_out", case=Case({}, (3, 4), 12 * THROUGH))
def cat(out: TensorSpec) -> Cost:
    """(x - zero) * scale of each part, quantized by the common scale."""
    return out.numel * THROUGH


@formula("quantized::cat_relu", "quantized::cat_relu_out", case=Case({}, (3, 4), 12 * (THROUGH + Cost(compare=1))))
def cat_relu(out: TensorSpec) -> Cost:
    """max((x - zero) * scale, 0) of each part, quantized by the common scale."""
    return out.numel * (THROUGH + Cost(compare=1))


_BATCH = {"weight": (3,)}
_NORMED = 24 * THROUGH + Cost(add=3 + 24 + 3, special=3, multiply=24 + 2 * 3)


@formula("aten::quantized_batch_norm", case=Case({"input": (2, 3, 4), **_BATCH}, (2, 3, 4), _NORMED))
def aten_batch_norm(input: TensorSpec, weight: TensorSpec | None) -> Cost:
    """a = weight / sqrt(var + eps), b = bias - mean * a, y = x * a + b of (x - zero) * scale, quantized."""
    return input.numel * THROUGH + normalization.batch_norm_inference(input, weight)


@formula(
    *(f"quantized::batch_norm{d}" for d in ("", "1d", "2d", "3d")),
    case=Case({"qx": (2, 3, 4), **_BATCH}, (2, 3, 4), _NORMED),
)
def batch_norm(qx: TensorSpec, weight: TensorSpec | None) -> Cost:
    """a = weight / sqrt(var + eps), b = bias - mean * a, y = x * a + b of (x - zero) * scale, quantized."""
    return aten_batch_norm(qx, weight)


@formula(
    *(f"quantized::batch_norm{d}_relu" for d in ("", "1d", "2d", "3d")),
    case=Case({"qx": (2, 3, 4), **_BATCH}, (2, 3, 4), _NORMED + Cost(compare=24)),
)
def batch_norm_relu(qx: TensorSpec, weight: TensorSpec | None) -> Cost:
    """As batch_norm, and max(y, 0)."""
    return aten_batch_norm(qx, weight) + Cost(compare=qx.numel)


@formula(
    "quantized::layer_norm",
    case=Case(
        {"input": (2, 3, 4), "normalized_shape": [4], "weight": (4,), "bias": (4,)},
        (2, 3, 4),
        24 * THROUGH + Cost(add=2 * 18 + 24 + 6 + 24, multiply=3 * 24, divide=12, special=6),
    ),
)
def layer_norm(
    input: TensorSpec, normalized_shape: list[int], weight: TensorSpec | None, bias: TensorSpec | None
) -> Cost:
    """(y - mean) / sqrt(var + eps) * weight + bias of y = (x - zero) * scale, quantized."""
    return input.numel * THROUGH + normalization.layer_norm(input, normalized_shape, weight, bias)


_GROUPED = 24 * THROUGH + Cost(add=2 * (24 - 4) + 24 + 4 + 24, multiply=24 + 12 + 24, divide=8, special=4)


@formula(
    "quantized::group_norm",
    case=Case({"input": (2, 6, 2), "num_groups": 2, "weight": (6,), "bias": (6,)}, (2, 6, 2), _GROUPED),
)
def group_norm(input: TensorSpec, num_groups: int, weight: TensorSpec | None, bias: TensorSpec | None) -> Cost:
    """(y - mean) / sqrt(var + eps) * weight + bias of y = (x - zero) * scale by group, quantized."""
    N, C = input.shape[:2]
    return input.numel * THROUGH + normalization.group_norm(input, N, C, num_groups, weight, bias)


@formula(
    "quantized::instance_norm",
    case=Case({"input": (2, 2, 6), "weight": (2,), "bias": (2,)}, (2, 2, 6), _GROUPED + Cost(multiply=4 - 12)),
)
def instance_norm(input: TensorSpec, weight: TensorSpec | None, bias: TensorSpec | None) -> Cost:
    """(y - mean) / sqrt(var + eps) * weight + bias of y = (x - zero) * scale over one channel, quantized."""
    return group_norm(input, input.shape[1], weight, bias)


@formula("quantized::embedding_byte", "quantized::embedding_4bit", case=Case({}, (3, 4), 12 * DEQUANTIZE))
def embedding(out: TensorSpec) -> Cost:
    """(x - zero) * scale of the rows looked up, each with a scale and zero of its own."""
    return out.numel * DEQUANTIZE


@formula(
    *(f"quantized::embedding_bag_{bits}" for bits in ("byte", "4bit")),
    *(f"quantized::embedding_bag_{bits}_rowwise_offsets" for bits in ("byte", "4bit", "2bit")),
    case=Case({"indices": (6,)}, (3, 4), 24 * DEQUANTIZE + Cost(add=24 - 12)),
)
def embedding_bag(indices: TensorSpec, out: TensorSpec, per_sample_weights: TensorSpec | None = None) -> Cost:
    """y = x1 + x2 + ... over the rows of a bag, each (x - zero) * scale and, where rows have weights, times its own."""
    looked_up = indices.numel * out.shape[-1]
    products = looked_up if per_sample_weights is not None else 0
    return looked_up * DEQUANTIZE + Cost(add=reduced(looked_up, out.numel), multiply=products)
