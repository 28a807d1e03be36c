"""Normalization, backward.

N batch · C channels · G groups · n elements · L elements normalized together · M = n / L sets of them · g = dy * weight

With d = x - mean and h = d * rstd, the gradients are
dx = (g - sum(g) / L - h * sum(g * h) / L) * rstd, dweight = sum(dy * h), dbias = sum(dy). What no gradient that is
asked for needs is not computed.
"""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import ZERO, Cost, TensorSpec
from flopsight.formulas.normalization.forward import rows_before
from flopsight.formulas.parts import reduced
from flopsight.formulas.registry import Case, formula

Mask = Sequence[bool]


def _batch_norm(x: TensorSpec, weighted: bool, train: bool, mask: Mask) -> Cost:
    """s = sum(dy) and t = sum(dy * d) of each channel: n - C additions each, n products and n differences for t.

    Training: dx = (dy - s / L - d * (t * rstd * rstd / L)) * (rstd * weight). Else dx = dy * (rstd * weight), and rstd
    is computed from the running variance. dweight = t * rstd, dbias = s.
    """
    n, C = x.numel, x.shape[1]
    joins = reduced(n, C)
    dx, dweight, dbias = mask
    cost = ZERO
    if dweight or (dx and train):
        cost += Cost(add=n + joins, multiply=n)
    if dbias or (dx and train):
        cost += Cost(add=joins)
    if dweight:
        cost += Cost(multiply=C)
    if not train and (dx or dweight):
        cost += Cost(add=C, special=C)
    if dx:
        cost += Cost(multiply=n + (C if weighted else 0))
    if dx and train:
        cost += Cost(multiply=2 * C + n, add=2 * n, divide=2 * C)
    return cost


_BATCH = {"input": (2, 3, 4), "weight": (3,)}
_TRAINED = Cost(add=2 * 21 + 3 * 24, multiply=3 * 24 + 4 * 3, divide=2 * 3)


@formula(
    "aten::native_batch_norm_backward",
    case=Case({**_BATCH, "train": True, "output_mask": [True, True, True]}, ((2, 3, 4), (3,), (3,)), _TRAINED),
)
def batch_norm_backward(input: TensorSpec, weight: TensorSpec | None, train: bool, output_mask: Mask) -> Cost:
    """dx = (dy - s/L - d * (t*rstd*rstd/L)) * (rstd*weight), dweight = t * rstd, dbias = s; s = sum(dy), t = sum(dy*d).

    Training, all three: 3n products, 2(n - C) + 3n additions, 4C products and 2C divisions for the channels. Inference:
    dx = dy * (rstd * weight), and rstd = 1 / sqrt(var + eps) is computed.
    """
    return _batch_norm(input, weight is not None, train, output_mask)


@formula(
    "aten::batch_norm_backward",
    case=Case({**_BATCH, "update": True, "output_mask": [True, True, True]}, ((2, 3, 4), (3,), (3,)), _TRAINED),
)
def updated_batch_norm_backward(input: TensorSpec, weight: TensorSpec, update: bool, output_mask: Mask) -> Cost:
    """dx = (dy - s/L - d * (t*rstd*rstd/L)) * (rstd*weight), dweight = t*rstd, dbias = s, as native_batch_norm's."""
    return _batch_norm(input, True, update, output_mask)


@formula(
    "aten::cudnn_batch_norm_backward", "aten::miopen_batch_norm_backward",
    case=Case({"input": (2, 3, 4)}, ((2, 3, 4), (3,), (3,)), _TRAINED),
)  # fmt: skip
def trained_batch_norm_backward(input: TensorSpec) -> Cost:
    """dx = (dy - s/L - d * (t*rstd*rstd/L)) * (rstd*weight), dweight = t*rstd, dbias = s, as native_batch_norm's."""
    return _batch_norm(input, True, True, (True, True, True))


@formula(
    "aten::batch_norm_backward_reduce",
    case=Case(
        {"input": (2, 3, 4), "input_g": True, "weight_g": True, "bias_g": True},
        ((3,), (3,), (3,), (3,)),
        Cost(add=2 * 21 + 24, multiply=24 + 3),
    ),
)
def batch_norm_backward_reduce(input: TensorSpec, input_g: bool, weight_g: bool, bias_g: bool) -> Cost:
    """s = sum(dy), t = sum(dy * d) of each channel, dweight = t * rstd: 2(n - C) + n additions, n + C products."""
    n, C = input.numel, input.shape[1]
    joins = reduced(n, C)
    cost = Cost(add=n + joins, multiply=n) if input_g or weight_g else ZERO
    cost += Cost(add=joins) if input_g or bias_g else ZERO
    return cost + Cost(multiply=C) if weight_g else cost


@formula(
    "aten::batch_norm_backward_elemt",
    case=Case(_BATCH, (2, 3, 4), Cost(multiply=2 * 24 + 3 * 3, add=3 * 24, divide=2 * 3)),
)
def batch_norm_backward_elemt(input: TensorSpec, weight: TensorSpec | None) -> Cost:
    """dx = (dy - s/L - d * (t*rstd*rstd/L)) * (rstd*weight): d and two more subtractions, 2 products an element.

    For each channel 2 divisions and 2 products, 3 with a weight. Left out: L, the sum of all parts' counts.
    """
    n, C = input.numel, input.shape[1]
    return Cost(multiply=2 * n + (2 * C if weight is None else 3 * C), add=3 * n, divide=2 * C)


_LAYER = {"input": (2, 3, 4), "normalized_shape": [4], "weight": (4,), "output_mask": [True, True, True]}


@formula(
    "aten::native_layer_norm_backward",
    case=Case(
        _LAYER,
        ((2, 3, 4), (4,), (4,)),
        Cost(add=24 + 2 * 18 + 2 * 24 + 2 * 20, multiply=24 + 24 + 24 + 2 * 24 + 24, divide=2 * 6),
    ),
)
def layer_norm_backward(
    input: TensorSpec, normalized_shape: Sequence[int], weight: TensorSpec | None, output_mask: Mask
) -> Cost:
    """dx = (g - sum(g)/L - h * (sum(g*h)/L)) * rstd, dweight = sum(dy * h), dbias = sum(dy); h = (x - mean) * rstd.

    h: n subtractions and products. dx: n products g = dy * weight, n products g * h, 2(n - M) additions, 2M divisions,
    2n subtractions, 2n products. dweight: n products, n - L additions. dbias: n - L additions.
    """
    n = input.numel
    sets = rows_before(input, len(normalized_shape))
    across = reduced(n, _length(input, normalized_shape))
    dx, dweight, dbias = output_mask
    cost = Cost(add=n, multiply=n) if dx or dweight else ZERO
    if dx:
        cost += Cost(multiply=n) if weight is not None else ZERO
        cost += Cost(multiply=3 * n, add=2 * reduced(n, sets) + 2 * n, divide=2 * sets)
    if dweight:
        cost += Cost(multiply=n, add=across)
    return cost + Cost(add=across) if dbias else cost


def _length(tensor: TensorSpec, normalized_shape: Sequence[int]) -> int:
    return TensorSpec(tensor.shape[tensor.ndim - len(normalized_shape) :]).numel


@formula(
    "aten::_fused_rms_norm_backward",
    case=Case(
        {**_LAYER, "output_mask": [True, True]},
        ((2, 3, 4), (4,)),
        Cost(multiply=24 + 24 + 3 * 24 + 24, add=18 + 24 + 20, divide=6),
    ),
)
def rms_norm_backward(
    input: TensorSpec, normalized_shape: Sequence[int], weight: TensorSpec | None, output_mask: Mask
) -> Cost:
    """dx = (g - h * (sum(g*h)/L)) * rstd, dweight = sum(dy * h), with h = x * rstd and g = dy * weight.

    h: n products. dx: n products each for g, g * h, h * (...) and * rstd, n - M additions, M divisions, n subtractions.
    dweight: n products, n - L additions.
    """
    n = input.numel
    sets = rows_before(input, len(normalized_shape))
    dx, dweight = output_mask
    cost = Cost(multiply=n) if dx or dweight else ZERO
    if dx:
        cost += Cost(multiply=n) if weight is not None else ZERO
        cost += Cost(multiply=3 * n, add=reduced(n, sets) + n, divide=sets)
    if dweight:
        cost += Cost(multiply=n, add=reduced(n, _length(input, normalized_shape)))
    return cost


@formula(
    "aten::native_group_norm_backward",
    case=Case(
        {"input": (2, 6, 4), "weight": (6,), "N": 2, "C": 6, "group": 3, "output_mask": [True, True, True]},
        ((2, 6, 4), (6,), (6,)),
        Cost(add=48 + 2 * 36 + 2 * 6 + 2 * 48 + 2 * 6, multiply=48 + 2 * 12 + 12 + 4 * 6 + 2 * 48 + 12, divide=2 * 6),
    ),
)
def group_norm_backward(
    input: TensorSpec, weight: TensorSpec | None, N: int, C: int, group: int, output_mask: Mask
) -> Cost:
    """dx = dy * (rstd*weight) - a - d * b, with a = sum(s*weight) * rstd / L and b = sum(t*weight) * rstd^3 / L.

    s = sum(dy) and t = sum(dy * d) are sums over the positions of each of the N*C channels: n subtractions and n
    products, 2(n - N*C) additions. dx: rstd * weight, s * weight, t * weight are N*C products each, their sums over a
    group 2(N*C - N*G) additions; a and b 4 products and 2 divisions a group; then 2n products and 2n subtractions.
    dweight = sum(t * rstd): N*C products, N*C - C additions. dbias = sum(s): N*C - C additions.
    """
    n, planes, sets = input.numel, N * C, N * group
    dx, dweight, dbias = output_mask
    cost = Cost(add=n + reduced(n, planes), multiply=n) if dx or dweight else ZERO
    cost += Cost(add=reduced(n, planes)) if dx or dbias else ZERO
    if dx:
        cost += Cost(multiply=3 * planes) if weight is not None else ZERO
        cost += Cost(add=2 * reduced(planes, sets) + 2 * n, multiply=4 * sets + 2 * n, divide=2 * sets)
    if dweight:
        cost += Cost(multiply=planes, add=reduced(planes, C))
    return cost + Cost(add=reduced(planes, C)) if dbias else cost


@formula(
    "aten::_weight_norm_interface_backward",
    case=Case({"saved_v": (3, 4), "dim": 0}, ((3, 4), (3, 1)), Cost(multiply=3 * 12 + 3, add=9 + 12, divide=3 * 3)),
)
def weight_norm_backward(saved_v: TensorSpec, dim: int) -> Cost:
    """t = sum(dw * v); dg = t / norm; dv = (dw - v * (t / (norm * norm))) * (g / norm), for each slice.

    n products and n - S additions for t over S slices; 3 divisions and 1 product a slice; 2n products, n subtractions.
    """
    n, slices = saved_v.numel, saved_v.shape[dim]
    return Cost(multiply=3 * n + slices, add=reduced(n, slices) + n, divide=3 * slices)
