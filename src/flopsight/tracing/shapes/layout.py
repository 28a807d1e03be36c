"""The strides of PyTorch's CPU kernels, where its meta kernels say others.

A layout takes the results that the meta kernel gave, and the arguments by their schema names, and gives the results
with the strides that the real kernel leaves. Tests hold each against the real kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from flopsight.tracing.fake import Metadata, make

Layout = Callable[[Any, dict[str, Any]], Any]

LAYOUTS: dict[str, Layout] = {}
"""By operator (`namespace::name`)."""


def layout(*operators: str) -> Callable[[Layout], Layout]:
    """Declare the decorated function as the layout of `operators`."""

    def declare(function: Layout) -> Layout:
        LAYOUTS.update(dict.fromkeys(operators, function))
        return function

    return declare


def corrected(operator: str, results: Any, given: dict[str, Any]) -> Any:
    """The results of `namespace::name` on arguments `given`, with the strides of the real kernel."""
    found = LAYOUTS.get(operator) or LAYOUTS.get(operator.removesuffix("_"))
    return results if found is None else found(results, given)


def in_format(of: Metadata, memory_format: torch.memory_format) -> Metadata:
    """The same tensor laid out anew, channels last or as a C array."""
    if memory_format is torch.contiguous_format:
        return of.like(of.shape, dtype=of.dtype)
    order = [0, *range(2, of.ndim), 1]
    stride, step = [0] * of.ndim, 1
    for axis in reversed(order):
        stride[axis] = step
        step *= max(of.shape[axis], 1)
    return of.like(of.shape, tuple(stride))


# --- convolution ----------------------------------------------------------------------------------------------------


def _as_2d(of: Metadata) -> Metadata:
    """A tensor of a one-dimensional convolution as PyTorch hands it to the two-dimensional one."""
    stride = (*of.stride[:2], of.shape[2] * of.stride[2], of.stride[2])
    return of.like((*of.shape[:2], 1, of.shape[2]), stride)


def _convolution_format(given: dict[str, Any]) -> torch.memory_format:
    """The layout of the library (oneDNN, or PyTorch's own loops) that takes this convolution."""
    input, weight = given["input"], given["weight"]
    if input.device.type != "cpu":
        return torch.contiguous_format
    if input.ndim == 3:
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
        return torch._C._conv_determine_backend_memory_format(make(input), make(weight), backend)


def _laid_out(of: Metadata, memory_format: torch.memory_format) -> Metadata:
    if memory_format is torch.contiguous_format or of.ndim < 3:
        return of.like(of.shape)
    if of.ndim > 3:
        return in_format(of, memory_format)
    laid = in_format(_as_2d(of), memory_format)
    return of.like(of.shape, (*laid.stride[:2], laid.stride[3]))


@layout("aten::convolution", "aten::_convolution")
def _convolution(results: Metadata, given: dict[str, Any]) -> Metadata:
    return _laid_out(results, _convolution_format(given))


@layout("aten::convolution_backward")
def _convolution_backward(results: list[Metadata | None], given: dict[str, Any]) -> list[Metadata | None]:
    memory_format = _convolution_format(given)
    return [of and _laid_out(of, memory_format) for of in results]
