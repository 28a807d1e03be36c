"""torchvision's compiled operators, declared where its compiled library does not load.

torchvision from PyPI is built against a CUDA build of PyTorch; beside a CPU-only one its library does not load, and
`import torchvision` fails with "operator torchvision::nms does not exist". `torchvision_importable` puts the operators'
schemas in place for that case; torchvision then adds its shape rules and gradients itself. Non-maximum suppression, RoI
align and deformable convolution also get plain implementations, so that detection models can be run.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING

from flopsight.sources._compiled import declared_instead

if TYPE_CHECKING:
    import torch

_POOLED = "SymInt pooled_height, SymInt pooled_width"
_IMAGE = "SymInt batch_size, SymInt channels, SymInt height, SymInt width"
_DEFORM = (
    "Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, "
    "SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, "
    "bool use_mask"
)

SCHEMAS = (
    "_cuda_version() -> int",
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "box_iou_rotated(Tensor boxes1, Tensor boxes2) -> Tensor",
    f"roi_align(Tensor input, Tensor rois, float spatial_scale, {_POOLED}, int sampling_ratio, bool aligned) -> Tensor",
    "qroi_align(Tensor input, Tensor rois, float input_scale, int input_zero_point, float rois_scale, "
    f"int rois_zero_point, float spatial_scale, {_POOLED}, int sampling_ratio, bool aligned) -> Tensor",
    f"_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, {_POOLED}, {_IMAGE}, int sampling_ratio, "
    "bool aligned) -> Tensor",
    f"roi_pool(Tensor input, Tensor rois, float spatial_scale, {_POOLED}) -> (Tensor, Tensor)",
    f"_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, {_POOLED}, {_IMAGE}) -> Tensor",
    f"ps_roi_align(Tensor input, Tensor rois, float spatial_scale, {_POOLED}, int sampling_ratio) -> (Tensor, Tensor)",
    f"_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, {_POOLED}, "
    f"int sampling_ratio, {_IMAGE}) -> Tensor",
    f"ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, {_POOLED}) -> (Tensor, Tensor)",
    f"_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float spatial_scale, {_POOLED}, "
    f"{_IMAGE}) -> Tensor",
    f"deform_conv2d({_DEFORM}) -> Tensor",
    f"_deform_conv2d_backward(Tensor grad, {_DEFORM}) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)


def torchvision_importable() -> AbstractContextManager[None]:
    """While this is active, torchvision can be imported, directly or by another library, whatever PyTorch's build."""
    return declared_instead(
        "torchvision", lambda path: path.parent.name == "torchvision" and path.name.startswith("_C"), declare
    )


@cache
def declare() -> torch.library.Library:
    """Declare torchvision's operators; kept for the life of the process, as a loaded library would be."""
    import torch

    from flopsight.sources import _torchvision_kernels as kernels

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        library.define(schema)
    library.impl("_cuda_version", lambda: -1, "CompositeExplicitAutograd")
    library.impl("nms", kernels.nms, "CPU")
    library.impl("roi_align", kernels.roi_align, "CPU")
    library.impl("deform_conv2d", kernels.deform_conv2d, "CPU")
    return library
