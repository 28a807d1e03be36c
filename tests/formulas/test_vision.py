from __future__ import annotations

import inspect
import itertools
import math
from functools import reduce
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from oracle import Scalar, biased, dot, maximum, minimum, products, total, value
from proof import REGISTRY, Call, Proof, proven, tensor, unproven

from flopsight.sources.torchvision_operators import SCHEMAS


def zeros(*shape: int) -> np.ndarray:
    out = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        out[index] = Scalar(0.0)
    return out


def sort(row: list[Any]) -> None:
    """A merge sort: in each pass, every element is placed by one comparison."""
    for _ in range(math.ceil(math.log2(len(row))) if row else 0):
        for x in row:
            x <= Scalar(0.0)  # noqa: B015


def area(box: np.ndarray) -> Any:
    return (box[2] - box[0]) * (box[3] - box[1])


def nms(dets, scores, iou_threshold):
    sort(list(scores))
    areas = [area(box) for box in dets]
    for i, j in itertools.combinations(range(len(dets)), 2):
        a, b = dets[i], dets[j]
        w = maximum(minimum(a[2], b[2]) - maximum(a[0], b[0]), 0.0)
        h = maximum(minimum(a[3], b[3]) - maximum(a[1], b[1]), 0.0)
        shared = w * h
        shared / (areas[i] + areas[j] - shared) > iou_threshold  # noqa: B015


def corner_weights() -> list[Any]:
    """Of a sample somewhere in the image."""
    x, y = Scalar(1.25), Scalar(1.5)
    lx, ly = x - math.floor(value(minimum(x, 9.0))), y - math.floor(value(minimum(y, 9.0)))
    hx, hy = 1 - lx, 1 - ly
    return [hy * hx, hy * lx, ly * hx, ly * lx]


CORNERS = [(1, 1), (1, 2), (2, 1), (2, 2)]


def bin_samples(sampling_ratio, height, width, pooled_height, pooled_width):
    if sampling_ratio > 0:
        return sampling_ratio**2
    return math.ceil(height / pooled_height) * math.ceil(width / pooled_width)


def roi_align(input, rois, pooled_height, pooled_width, sampling_ratio, out_shape):
    S = bin_samples(sampling_ratio, *input.shape[2:], pooled_height, pooled_width)
    for _ in range(len(rois) * pooled_height * pooled_width):
        weights = [corner_weights() for _ in range(S)]
        for c in range(out_shape[1]):
            total([dot(w, [input[0, c, y, x] for y, x in CORNERS]) for w in weights]) / S


def roi_align_backward(grad, rois, pooled_height, pooled_width, sampling_ratio, channels, height, width):
    S = bin_samples(sampling_ratio, height, width, pooled_height, pooled_width)
    out = zeros(channels, height, width)
    for r, i, j in np.ndindex(len(rois), pooled_height, pooled_width):
        weights = [corner_weights() for _ in range(S)]
        for c in range(grad.shape[1]):
            dy = grad[r, c, i, j] / S
            for w in weights:
                for weight, (y, x) in zip(w, CORNERS, strict=True):
                    out[c, y, x] = out[c, y, x] + weight * dy


def whole_map_bins(height, width, pooled_height, pooled_width):
    """The positions of each bin of a region that is the whole map."""
    span = lambda i, size, bins: range(i * size // bins, -(-(i + 1) * size // bins))
    for i, j in np.ndindex(pooled_height, pooled_width):
        yield (i, j), list(itertools.product(span(i, height, pooled_height), span(j, width, pooled_width)))


def roi_pool(input, rois, pooled_height, pooled_width, out_shape):
    for _, c in np.ndindex(*out_shape[:2]):
        for _, places in whole_map_bins(*input.shape[2:], pooled_height, pooled_width):
            reduce(maximum, [input[0, c, y, x] for y, x in places])


def ps_roi_pool(input, rois, pooled_height, pooled_width, out_shape):
    for _, c in np.ndindex(*out_shape[:2]):
        for _, places in whole_map_bins(*input.shape[2:], pooled_height, pooled_width):
            total([input[0, c, y, x] for y, x in places]) / len(places)


def roi_pool_backward(grad):
    for dy in grad.ravel():
        Scalar(0.0) + dy


def ps_roi_pool_backward(grad, pooled_height, pooled_width, height, width):
    out = zeros(height, width)
    for r, c in np.ndindex(*grad.shape[:2]):
        for (i, j), places in whole_map_bins(height, width, pooled_height, pooled_width):
            share = grad[r, c, i, j] / len(places)
            for place in places:
                out[place] = out[place] + share


def sample_columns(input, weight, mask, offset_groups, use_mask, places):
    """Each offset's weights, and each channel's samples at each tap."""
    n, channels, taps = input.shape[0], input.shape[1], int(np.prod(weight.shape[2:]))
    columns = np.empty((n, channels, taps, places), dtype=object)
    for b, group, tap, place in np.ndindex(n, offset_groups, taps, places):
        Scalar(1.0) + Scalar(0.5), Scalar(1.0) + Scalar(0.5)
        weights = corner_weights()
        size = channels // offset_groups
        for c in range(group * size, (group + 1) * size):
            v = dot(weights, [input[b, c, y, x] for y, x in CORNERS])
            columns[b, c, tap, place] = v * Scalar(0.5) if use_mask else v
    return columns


def deform_conv2d(input, weight, bias, groups, offset_groups, use_mask, out_shape):
    places = int(np.prod(out_shape[2:]))
    columns = sample_columns(input, weight, None, offset_groups, use_mask, places)
    size = weight.shape[1]
    for b, o, place in np.ndindex(out_shape[0], out_shape[1], places):
        first = o // (weight.shape[0] // groups) * size
        y = products(list(weight[o].reshape(-1)), list(columns[b, first : first + size, :, place].reshape(-1)))
        biased(y, bias[o])


def deform_conv2d_backward(grad, input, weight, groups, offset_groups, use_mask):
    places = int(np.prod(grad.shape[2:]))
    columns = sample_columns(input, weight, None, offset_groups, use_mask, places)
    flat = grad.reshape(*grad.shape[:2], places)
    per_group, size = weight.shape[0] // groups, weight.shape[1]
    taps = weight.reshape(*weight.shape[:2], -1)
    dx = doffset = dmask = Scalar(0.0)
    for b, c, tap, place in np.ndindex(*columns.shape):
        outputs = range(c // size * per_group, (c // size + 1) * per_group)
        dcolumn = products([taps[o, c % size, tap] for o in outputs], [flat[b, o, place] for o in outputs])
        t, v = Scalar(0.5), [input[b, c, y, x] for y, x in CORNERS]
        if use_mask:
            dmask = dmask + dcolumn * v[0]
            dcolumn = dcolumn * Scalar(0.5)
        for _ in CORNERS:
            dx = dx + t * dcolumn
        for near, far in (((0, 2), (1, 3)), ((0, 1), (2, 3))):
            slope = (v[near[1]] - v[near[0]]) * t + (v[far[1]] - v[far[0]]) * t
            doffset = doffset + slope * dcolumn
    for o, c, tap in np.ndindex(*taps.shape):
        first = o // per_group * size
        batch_places = list(np.ndindex(grad.shape[0], places))
        products([flat[b, o, p] for b, p in batch_places], [columns[b, first + c, tap, p] for b, p in batch_places])
    for o in range(grad.shape[1]):
        total(list(flat[:, o].reshape(-1)))


BINS = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 3))


@st.composite
def regions(draw: Any, *, ratio: bool = False, backward: bool = False, split: bool = False) -> Any:
    count, height, width = draw(BINS)
    channels = 2 * height * width if split else 2
    map_height, map_width = draw(st.integers(3, 5)), draw(st.integers(3, 5))
    given_: dict[str, Any] = {"rois": tensor(count, 5), "pooled_height": height, "pooled_width": width}
    if ratio:
        given_["sampling_ratio"] = draw(st.integers(-1, 2))
    pooled = tensor(count, 2, height, width)
    input = tensor(1, channels, map_height, map_width)
    if backward:
        sizes = {"batch_size": 1, "channels": channels, "height": map_height, "width": map_width}
        return Call(given_ | {"grad": pooled} | sizes, out=input)
    return Call(given_ | {"input": input}, out=(pooled, pooled) if split or not ratio else pooled)


@st.composite
def deformed(draw: Any, backward: bool = False) -> Any:
    groups, offset_groups = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    kernel = [draw(st.integers(1, 2)), draw(st.integers(1, 2))]
    outputs = tensor(draw(st.integers(1, 2)), 2 * groups, 2, draw(st.integers(1, 2)))
    given_ = {
        "input": tensor(outputs.shape[0], 2 * groups, 4, 4),
        "weight": tensor(2 * groups, 2, *kernel),
        "bias": tensor(2 * groups),
        "groups": groups,
        "offset_groups": offset_groups,
        "use_mask": draw(st.booleans()),
    }
    return Call(given_ | {"grad": outputs}, out=given_["input"]) if backward else Call(given_, out=outputs)


BOXES = st.integers(0, 6).map(
    lambda n: Call({"dets": tensor(n, 4), "scores": tensor(n), "iou_threshold": 0.5}, out=torch.zeros(0))
)

PROOFS = {
    "torchvision::nms": Proof(nms, BOXES),
    "torchvision::qnms": Proof(nms, BOXES),
    "torchvision::qroi_align": Proof(roi_align, regions(ratio=True)),
    "torchvision::roi_align": Proof(roi_align, regions(ratio=True)),
    "torchvision::ps_roi_align": Proof(roi_align, regions(ratio=True, split=True)),
    "torchvision::_roi_align_backward": Proof(roi_align_backward, regions(ratio=True, backward=True)),
    "torchvision::_ps_roi_align_backward": Proof(roi_align_backward, regions(ratio=True, backward=True, split=True)),
    "torchvision::roi_pool": Proof(roi_pool, regions()),
    "torchvision::ps_roi_pool": Proof(ps_roi_pool, regions(split=True)),
    "torchvision::_roi_pool_backward": Proof(roi_pool_backward, regions(backward=True)),
    "torchvision::_ps_roi_pool_backward": Proof(ps_roi_pool_backward, regions(backward=True, split=True)),
    "torchvision::deform_conv2d": Proof(deform_conv2d, deformed()),
    "torchvision::_deform_conv2d_backward": Proof(deform_conv2d_backward, deformed(backward=True)),
}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "vision") == set()


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.partition("(")[0])
def test_formulas_ask_for_what_the_schema_has(schema: str) -> None:
    name, _, rest = schema.partition("(")
    formula = REGISTRY.find(f"torchvision::{name}")
    if formula is None:
        assert name == "box_iou_rotated"
        return
    arguments = {argument.split()[-1] for argument in rest.partition(")")[0].split(",") if argument}
    assert set(inspect.signature(formula.rule).parameters) - {"out"} <= arguments
