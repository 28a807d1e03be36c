"""torchvision operators that detection models need, as plain code, where the compiled ones are missing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


def nms(dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes to keep, best first: each overlaps no better kept one by more than `iou_threshold`."""
    order = scores.argsort(descending=True, stable=True)
    boxes = dets[order]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    alive = torch.ones(len(boxes), dtype=torch.bool)
    for index in range(len(boxes)):
        if alive[index]:
            later = boxes[index + 1 :]
            sides = torch.minimum(boxes[index, 2:], later[:, 2:]) - torch.maximum(boxes[index, :2], later[:, :2])
            shared = sides.clamp(min=0).prod(dim=1)
            alive[index + 1 :] &= shared / (areas[index] + areas[index + 1 :] - shared) <= iou_threshold
    return order[alive]


def roi_align(
    input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: int, pooled_width: int, sampling_ratio: int,
    aligned: bool,
) -> Tensor:  # fmt: skip
    """The mean of bilinear samples in each of PH*PW bins of each region (batch index, x1, y1, x2, y2)."""
    bins = (pooled_height, pooled_width)
    result = input.new_zeros(len(rois), input.shape[1], *bins)
    pixels = input.permute(0, 2, 3, 1).reshape(-1, input.shape[1])
    corners = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    sides = corners[:, 2:] - corners[:, :2]
    bin_size = (sides if aligned else sides.clamp(min=1)) / torch.tensor([pooled_width, pooled_height])
    samples = torch.full_like(bin_size, sampling_ratio) if sampling_ratio > 0 else bin_size.ceil().clamp(min=1)
    for columns, rows in samples.unique(dim=0).long().tolist():
        among = (samples == torch.tensor([columns, rows])).all(dim=1)
        y = _axis(corners[among, 1], bin_size[among, 1], pooled_height, rows, input.shape[2])
        x = _axis(corners[among, 0], bin_size[among, 0], pooled_width, columns, input.shape[3])
        row, column = y[0][:, :, None, :, None, :, None], x[0][:, None, :, None, :, None, :]
        first = rois[among, 0].long().view(-1, 1, 1, 1, 1, 1, 1) * input.shape[2]
        indices = ((first + row) * input.shape[3] + column).reshape(-1, rows * columns * 4)
        weights = y[1][:, :, None, :, None, :, None] * x[1][:, None, :, None, :, None, :] / (rows * columns)
        means = embedding_bag(indices, pixels, per_sample_weights=weights.reshape(indices.shape), mode="sum")
        result[among] = means.view(-1, *bins, input.shape[1]).permute(0, 3, 1, 2)
    return result


def _axis(start: Tensor, bin_size: Tensor, bins: int, per_bin: int, limit: int) -> tuple[Tensor, Tensor]:
    """The two pixels that each sample along one side of the regions lies between, and their weights.

    Both are [regions, bins, samples, 2]. A sample more than a pixel outside the image has no weight.
    """
    offsets = torch.arange(bins)[:, None] + (torch.arange(per_bin) + 0.5) / per_bin
    at = start[:, None, None] + offsets * bin_size[:, None, None]
    inside = (at >= -1) & (at <= limit)
    at = at.clamp(0, limit - 1)
    low = at.floor()
    weights = torch.stack([1 - (at - low), at - low], dim=-1) * inside[..., None]
    return torch.stack([low, (low + 1).clamp(max=limit - 1)], dim=-1).long(), weights


def _bilinear(image: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Values of `image` [C, H, W] at points, interpolated; zero where a point is a pixel or more outside."""
    height, width = image.shape[-2:]
    top, left = y.floor(), x.floor()
    value = torch.zeros(image.shape[0], *y.shape, dtype=image.dtype)
    for row, row_weight in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, column_weight in ((left, 1 - (x - left)), (left + 1, x - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            pixels = image[:, row.clamp(0, height - 1).long(), column.clamp(0, width - 1).long()]
            value += pixels * (row_weight * column_weight * inside)
    return value


def deform_conv2d(
    input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor, stride_h: int, stride_w: int, pad_h: int,
    pad_w: int, dilation_h: int, dilation_w: int, groups: int, offset_groups: int, use_mask: bool,
) -> Tensor:  # fmt: skip
    """A convolution whose taps are displaced by `offset` (y and x of each tap) and scaled by `mask`."""
    N, C = input.shape[:2]
    KH, KW = weight.shape[-2:]
    OH, OW = offset.shape[-2:]
    taps = offset.view(N, offset_groups, KH, KW, 2, OH, OW)
    scale = mask.view(N, offset_groups, KH, KW, OH, OW) if use_mask else torch.ones_like(taps[:, :, :, :, 0])
    y = _grid(KH, dilation_h, OH, stride_h, pad_h)[:, None, :, None] + taps[:, :, :, :, 0]
    x = _grid(KW, dilation_w, OW, stride_w, pad_w)[:, None, :] + taps[:, :, :, :, 1]
    images = input.view(N, offset_groups, C // offset_groups, *input.shape[2:])
    columns = torch.stack([
        torch.stack([_bilinear(images[n, g], y[n, g], x[n, g]) * scale[n, g] for g in range(offset_groups)])
        for n in range(N)
    ])  # fmt: skip
    columns = columns.view(N, groups, C // groups, KH, KW, OH, OW)
    kernel = weight.view(groups, -1, *weight.shape[1:])
    result = torch.einsum("ngckluv,gockl->ngouv", columns, kernel).reshape(N, -1, OH, OW)
    return result + bias[:, None, None]


def _grid(kernel: int, dilation: int, positions: int, stride: int, pad: int) -> Tensor:
    """Where tap k of output position p reads: `[kernel, positions]`."""
    return torch.arange(kernel)[:, None] * dilation + torch.arange(positions) * stride - pad
