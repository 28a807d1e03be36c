from __future__ import annotations

import importlib
import importlib.util

import pytest
import torch
from torch.nn.functional import conv2d

from flopsight.sources import _torchvision_kernels as kernels
from flopsight.sources.torchvision_operators import torchvision_importable


def overlap(a: list[float], b: list[float]) -> float:
    """Intersection over union of two boxes."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


@pytest.mark.parametrize("count", [0, 1, 40])
def test_nms_keeps_what_no_better_box_overlaps(count: int) -> None:
    torch.manual_seed(0)
    corner, scores = torch.rand(count, 2) * 10, torch.rand(count)
    boxes = torch.cat([corner, corner + 1 + torch.rand(count, 2) * 5], dim=1)
    kept: list[int] = []
    for index in sorted(range(count), key=lambda i: -scores[i].item()):
        if all(overlap(boxes[index].tolist(), boxes[other].tolist()) <= 0.4 for other in kept):
            kept.append(index)
    assert kernels.nms(boxes, scores, 0.4).tolist() == kept


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling", [2, 0])
def test_roi_align_is_torchvisions(aligned: bool, sampling: int) -> None:
    with torchvision_importable():
        reference = importlib.import_module("torchvision.ops.roi_align")

    torch.manual_seed(0)
    image = torch.rand(2, 3, 20, 30)
    rois = torch.tensor([[0, 0, 0, 40, 30], [1, 5.5, 7.2, 22.1, 13.9], [0, 0, 0, 58, 39], [1, 3, 3, 3.1, 3.1]])
    expected = reference._roi_align.__wrapped__(image, rois, 0.5, 3, 4, sampling, aligned)
    torch.testing.assert_close(kernels.roi_align(image, rois, 0.5, 3, 4, sampling, aligned), expected)


def test_roi_align_takes_nothing_from_far_outside() -> None:
    image = torch.ones(1, 1, 4, 4)
    rois = torch.tensor([[0.0, -4, 0, 4, 4], [0, 0, 0, 4, 12]])
    result = kernels.roi_align(image, rois, 1.0, 4, 4, 1, False)[:, 0]
    assert result[0, 0].tolist() == [0, 1, 1, 1]  # samples at x = -3, -1, 1, 3; a pixel outside still counts
    assert result[1, :, 0].tolist() == [1, 0, 0, 0]  # at y = 1.5, 4.5, 7.5, 10.5


@pytest.mark.parametrize(("groups", "offset_groups"), [(1, 1), (2, 1), (1, 2)])
def test_deformable_convolution_without_offsets_is_a_convolution(groups: int, offset_groups: int) -> None:
    torch.manual_seed(0)
    image, weight, bias = torch.rand(2, 4, 9, 8), torch.rand(6, 4 // groups, 3, 2), torch.rand(6)
    expected = conv2d(image, weight, bias, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=groups)
    positions = expected.shape[-2:]
    offset = torch.zeros(2, offset_groups * 2 * 6, *positions)
    mask = torch.full((2, offset_groups * 6, *positions), 0.5)
    geometry = (2, 1, 1, 2, 1, 2, groups, offset_groups)
    unmasked = kernels.deform_conv2d(image, weight, offset, mask, bias, *geometry, False)
    torch.testing.assert_close(unmasked, expected)
    masked = kernels.deform_conv2d(image, weight, offset, mask, bias, *geometry, True)
    torch.testing.assert_close(masked - bias[:, None, None], 0.5 * (expected - bias[:, None, None]))


def test_an_offset_of_one_pixel_reads_the_next_one() -> None:
    image = torch.arange(12.0).view(1, 1, 3, 4)
    weight, bias, mask = torch.ones(1, 1, 1, 1), torch.zeros(1), torch.ones(1, 1)
    offset = torch.stack([torch.full((3, 4), 0.0), torch.full((3, 4), 0.5)])[None]
    result = kernels.deform_conv2d(image, weight, offset, mask, bias, 1, 1, 0, 0, 1, 1, 1, 1, False)
    assert result[0, 0, 1].tolist() == [4.5, 5.5, 6.5, 3.5]  # the last one is half outside
