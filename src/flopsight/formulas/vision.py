"""torchvision's operators on boxes and regions, and deformable convolution.

R regions · C channels · P bins of a region · S samples of a bin · n boxes · K taps of a kernel

A sample is bilinear: 4 corners. Its weights (2 floors, x - floor(x) and 1 - that in each direction, 4 products) are
computed once for all channels. The coordinates of samples, and whether they lie inside, are index work and left out.
"""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec, contraction, product
from flopsight.formulas.parts import reduced
from flopsight.formulas.pooling import adaptive
from flopsight.formulas.registry import Case, formula, zero
from flopsight.formulas.sorting import log2_ceil

WEIGHTS = Cost(compare=2, add=4, multiply=4)
SAMPLE = Cost(multiply=4, add=3)
"""w1*v1 + w2*v2 + w3*v3 + w4*v4"""
SPREAD = Cost(multiply=4, add=4)
"""v_i += w_i * dy, i = 1..4"""
BOX = Cost(add=2, multiply=1)
"""(x2 - x1) * (y2 - y1)"""
OVERLAP = Cost(compare=4 + 2 + 1, add=2 + 2, multiply=1, divide=1)
"""w = max(min(x2) - max(x1), 0), h likewise; w*h / (area1 + area2 - w*h) > threshold"""


zero("asks for a version", "torchvision::_cuda_version", family="vision")


@formula(
    "torchvision::nms", "torchvision::qnms",
    case=Case({"dets": (5, 4)}, (3,), Cost(compare=5 * 3) + 5 * BOX + 10 * OVERLAP),
)  # fmt: skip
def nms(dets: TensorSpec) -> Cost:
    """A sort by score, n areas, and the overlap of every pair: n * (n - 1) / 2 of them.

    An upper bound: boxes that have been dropped are compared with none that follow.
    """
    n = dets.shape[0]
    return Cost(compare=n * log2_ceil(n)) + n * BOX + n * (n - 1) // 2 * OVERLAP


def samples(sampling_ratio: int, height: int, width: int, pooled_height: int, pooled_width: int) -> int:
    """S: the ratio squared; without one, as many as a region of the whole map has, an upper bound."""
    if sampling_ratio > 0:
        return sampling_ratio * sampling_ratio
    return -(-height // pooled_height) * -(-width // pooled_width)


def _aligned(regions: int, outputs: int, bins: int, S: int, each: Cost) -> Cost:
    return regions * bins * S * WEIGHTS + outputs * S * each


_ALIGN = {"input": (2, 6, 8, 8), "rois": (5, 5), "pooled_height": 2, "pooled_width": 3, "sampling_ratio": 2}


@formula(
    "torchvision::roi_align", "torchvision::ps_roi_align", "torchvision::qroi_align",
    case=Case(_ALIGN, (5, 6, 2, 3), 30 * 4 * WEIGHTS + 180 * (4 * SAMPLE + Cost(add=3, divide=1))),
)  # fmt: skip
def roi_align(
    input: TensorSpec,
    rois: TensorSpec,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    out: TensorSpec | tuple[TensorSpec, ...],
) -> Cost:
    """y = sum of S samples / S: 4 products and 3 additions a sample, S - 1 additions and 1 division an output.

    The weights of R*P*S samples. Without a sampling ratio S depends on the region; one of the whole map is taken.
    """
    outputs = (out[0] if isinstance(out, tuple) else out).numel
    S = samples(sampling_ratio, input.shape[2], input.shape[3], pooled_height, pooled_width)
    own = _aligned(rois.shape[0], outputs, pooled_height * pooled_width, S, SAMPLE)
    return own + outputs * Cost(add=S - 1, divide=1)


_ALIGNED = {"rois": (5, 5), "pooled_height": 2, "pooled_width": 3, "sampling_ratio": 2, "height": 8, "width": 8}


@formula(
    "torchvision::_roi_align_backward", "torchvision::_ps_roi_align_backward",
    case=Case(
        {"grad": (5, 6, 2, 3), **_ALIGNED}, (2, 6, 8, 8), 30 * 4 * WEIGHTS + 180 * (4 * SPREAD + Cost(divide=1))
    ),
)  # fmt: skip
def roi_align_backward(
    grad: TensorSpec,
    rois: TensorSpec,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    height: int,
    width: int,
) -> Cost:
    """dx[corner] += w * (dy / S): 4 products and 4 additions a sample, 1 division an output; the weights as forward."""
    S = samples(sampling_ratio, height, width, pooled_height, pooled_width)
    own = _aligned(rois.shape[0], grad.numel, pooled_height * pooled_width, S, SPREAD)
    return own + Cost(divide=grad.numel)


def _covered(outputs: TensorSpec, full: tuple[int, int]) -> int:
    """Positions in all bins, every region being as large as the map: an upper bound."""
    return product(outputs.shape[:2]) * adaptive(full, outputs.shape[2:])


@formula(
    "torchvision::roi_pool",
    case=Case({"input": (2, 6, 8, 9)}, ((5, 6, 2, 3), (5, 6, 2, 3)), Cost(compare=30 * (8 * 9 - 6))),
)
def roi_pool(input: TensorSpec, out: tuple[TensorSpec, ...]) -> Cost:
    """y = max over the positions of a bin; an upper bound, every region being taken to be as large as the map."""
    full = (input.shape[2], input.shape[3])
    return Cost(compare=reduced(_covered(out[0], full), out[0].numel))


@formula(
    "torchvision::ps_roi_pool",
    case=Case({"input": (2, 6, 8, 9)}, ((5, 1, 2, 3), (5, 1, 2, 3)), Cost(add=5 * (8 * 9 - 6), divide=30)),
)
def ps_roi_pool(input: TensorSpec, out: tuple[TensorSpec, ...]) -> Cost:
    """y = mean over the positions of a bin; an upper bound, every region being taken to be as large as the map."""
    full = (input.shape[2], input.shape[3])
    return Cost(add=reduced(_covered(out[0], full), out[0].numel), divide=out[0].numel)


@formula("torchvision::_roi_pool_backward", case=Case({"grad": (5, 6, 2, 3)}, (2, 6, 8, 9), Cost(add=180)))
def roi_pool_backward(grad: TensorSpec) -> Cost:
    """dx[position of the maximum] += dy: an addition an output."""
    return Cost(add=grad.numel)


@formula(
    "torchvision::_ps_roi_pool_backward",
    case=Case({"grad": (5, 1, 2, 3), "height": 8, "width": 9}, (2, 6, 8, 9), Cost(add=5 * 8 * 9, divide=30)),
)
def ps_roi_pool_backward(grad: TensorSpec, height: int, width: int) -> Cost:
    """dx[each position of the bin] += dy / positions; an upper bound, every region being as large as the map."""
    return Cost(add=_covered(grad, (height, width)), divide=grad.numel)


def _columns(weight: TensorSpec, input: TensorSpec, places: int) -> int:
    """Samples: every channel at every tap of every result's place."""
    return places * input.shape[1] * product(weight.shape[2:])


def _places(out: TensorSpec) -> int:
    return out.shape[0] * product(out.shape[2:])


_DEFORM = {"weight": (6, 4, 3, 3), "input": (2, 4, 8, 8), "groups": 1, "offset_groups": 2, "use_mask": True}
_SAMPLED = 72 * 9 * 2 * (WEIGHTS + Cost(add=2)) + 72 * 9 * 4 * (SAMPLE + Cost(multiply=1))


@formula(
    "torchvision::deform_conv2d",
    case=Case(_DEFORM, (2, 6, 6, 6), Cost(macs=432 * 36, results=432, biases=432) + _SAMPLED),
)
def deform_conv2d(input: TensorSpec, weight: TensorSpec, offset_groups: int, use_mask: bool, out: TensorSpec) -> Cost:
    """A convolution of bilinear samples: N*Co*Ho*Wo dot products of length Ci/G * K, a bias each.

    Each of the N*Ci*K*Ho*Wo samples: 4 products, 3 additions, and a product with the mask. Each of the N*Go*K*Ho*Wo
    offsets of Go offset groups: 2 additions, and the weights of a sample.
    """
    places, K = _places(out), product(weight.shape[2:])
    offsets = places * K * offset_groups
    masking = Cost(multiply=1) if use_mask else ZERO
    own = contraction(outputs=out.numel, length=product(weight.shape[1:]), bias=True)
    return own + offsets * (WEIGHTS + Cost(add=2)) + _columns(weight, input, places) * (SAMPLE + masking)


@formula(
    "torchvision::_deform_conv2d_backward",
    case=Case(
        {"grad": (2, 6, 6, 6), **_DEFORM},
        None,
        Cost(macs=2 * 432 * 36, results=72 * 36 + 216, add=432 - 6)
        + _SAMPLED
        + 72 * 9 * 4 * (SPREAD + Cost(multiply=2, add=1) + 2 * Cost(multiply=3, add=4)),
    ),
)
def deform_conv2d_backward(
    grad: TensorSpec, input: TensorSpec, weight: TensorSpec, offset_groups: int, use_mask: bool
) -> Cost:
    """dcolumns = w^T dy, dw = dy columns^T, dbias = sum(dy); then dx, doffset and dmask sample by sample.

    The columns are sampled again. dx: 4 products, 4 additions. doffset, in each direction: the slope
    (v10 - v00) * (1 - t) + (v11 - v01) * t, times dy: 3 products, 4 additions. With a mask 2 products more, for dx
    and for dmask, and an addition for its sum.
    """
    places, K = _places(grad), product(weight.shape[2:])
    columns = _columns(weight, input, places)
    macs = grad.numel * product(weight.shape[1:])
    offsets = places * K * offset_groups
    sampled = offsets * (WEIGHTS + Cost(add=2)) + columns * (SAMPLE + (Cost(multiply=1) if use_mask else ZERO))
    slopes = columns * (SPREAD + 2 * Cost(multiply=3, add=4) + (Cost(multiply=2, add=1) if use_mask else ZERO))
    bias = Cost(add=reduced(grad.numel, grad.shape[1]))
    return Cost(macs=2 * macs, results=columns + weight.numel) + bias + sampled + slopes
