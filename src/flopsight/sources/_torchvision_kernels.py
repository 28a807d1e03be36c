"""torchvision operators that detection models need, as plain code, where the compiled ones are missing."""

from __future__ import annotations

import torch
from torch import Tensor


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


def _samples(start: Tensor, bin_size: Tensor, bins: int, per_bin: int, limit: int) -> tuple[Tensor, Tensor]:
    """Sampling positions along one side of a region, clamped to the image, and whether each is near enough to count."""
    offsets = (torch.arange(per_bin) + 0.5) / per_bin
    at = (start + (torch.arange(bins)[:, None] + offsets) * bin_size).flatten()
    return at.clamp(0, limit - 1), (at >= -1) & (at <= limit)


def roi_align(
    input: Tensor, rois: Tensor, spatial_scale: float, pooled_height: int, pooled_width: int, sampling_ratio: int,
    aligned: bool,
) -> Tensor:  # fmt: skip
    """The mean of bilinear samples in each of PH*PW bins of each region (batch index, x1, y1, x2, y2)."""
    height, width = input.shape[-2:]
    result = input.new_empty(len(rois), input.shape[1], pooled_height, pooled_width)
    for index, roi in enumerate(rois):
        x1, y1, x2, y2 = roi[1:] * spatial_scale - (0.5 if aligned else 0.0)
        bin_h = (y2 - y1 if aligned else (y2 - y1).clamp(min=1)) / pooled_height
        bin_w = (x2 - x1 if aligned else (x2 - x1).clamp(min=1)) / pooled_width
        rows = sampling_ratio if sampling_ratio > 0 else max(int(bin_h.ceil()), 1)
        columns = sampling_ratio if sampling_ratio > 0 else max(int(bin_w.ceil()), 1)
        y, y_near = _samples(y1, bin_h, pooled_height, rows, height)
        x, x_near = _samples(x1, bin_w, pooled_width, columns, width)
        values = _bilinear(input[int(roi[0])], y[:, None].expand(-1, len(x)), x.expand(len(y), -1))
        values = values * (y_near[:, None] & x_near)
        result[index] = values.view(-1, pooled_height, rows, pooled_width, columns).mean(dim=(2, 4))
    return result


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
