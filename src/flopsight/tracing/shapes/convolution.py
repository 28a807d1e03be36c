"""The layout of a convolution's results: that of the library (oneDNN, or PyTorch's own loops) that takes it."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.tracing.fake import make
from flopsight.tracing.metadata import Metadata
from flopsight.tracing.shapes.layout import layout
from flopsight.tracing.shapes.strides import channels_last, is_contiguous


def _as_2d(of: Metadata) -> Metadata:
    """A tensor of a one-dimensional convolution as PyTorch hands it to the two-dimensional one."""
    stride = (*of.stride[:2], of.shape[2] * of.stride[2], of.stride[2])
    return of.like((*of.shape[:2], 1, of.shape[2]), stride)


def _convolution_format(given: dict[str, Any]) -> tuple[torch.memory_format, bool]:
    """The layout of the library (oneDNN, or PyTorch's own loops) that takes this convolution; whether it is oneDNN."""
    input, weight = given["input"], given["weight"]
    if input.device_type != "cpu":
        return torch.contiguous_format, False
    if input.ndim == 3 and not is_contiguous(input):
        input = input.like(input.shape)
    sizes = given.get("bias_sizes")
    with torch._C._DisableTorchDispatch():
        backend = torch._C._select_conv_backend(
            make(input), make(weight), make(given["bias"]) if given.get("bias") is not None else None, given["stride"],
            given["padding"], given["dilation"], given["transposed"], given["output_padding"], given["groups"],
            sizes,
        )  # fmt: skip
        if input.ndim == 3:
            input, weight = _as_2d(input), _as_2d(weight)
        memory_format = torch._C._conv_determine_backend_memory_format(make(input), make(weight), backend)
    return memory_format, "Slow" not in str(backend)


def _laid_out(of: Metadata, memory_format: torch.memory_format) -> Metadata:
    if memory_format is torch.contiguous_format or of.ndim < 3:
        return of.like(of.shape)
    if of.ndim > 3:
        return of.like(of.shape, channels_last(of.shape))
    laid = channels_last(_as_2d(of).shape)
    return of.like(of.shape, (*laid[:2], laid[3]))


@layout("aten::convolution", "aten::_convolution")
def _convolution(results: Metadata, given: dict[str, Any]) -> Metadata:
    return _laid_out(results, _convolution_format(given)[0])


@layout("aten::convolution_backward")
def _convolution_backward(results: list[Metadata | None], given: dict[str, Any]) -> list[Metadata | None]:
    memory_format, anew = _convolution_format(given)
    of_input, of_weight, of_bias = (of and _laid_out(of, memory_format) for of in results)
    weight = given["weight"]
    if of_weight is not None and weight.ndim > 3 and memory_format is not torch.contiguous_format and not anew:
        fits = zip(weight.shape, weight.stride, of_weight.stride, strict=True)
        if all(size == 1 or stride == wanted for size, stride, wanted in fits):
            of_weight = weight  # as it lies already, whatever the strides of a kernel of size 1
    return [of_input, of_weight, of_bias]
