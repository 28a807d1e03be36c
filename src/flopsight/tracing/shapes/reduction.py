"""Normalization, reduction, softmax and pooling."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.shapes.rules import Result, rule


@rule("aten::native_batch_norm")
def _native_batch_norm(
    input: Metadata, weight: Metadata | None, bias: Metadata | None, running_mean: Metadata | None,
    running_var: Metadata | None, training: bool, momentum: float, eps: float,
) -> Result:  # fmt: skip
    channels = input.shape[1]
    given = {(t.shape, t.dtype) for t in (weight, bias, running_mean, running_var) if t is not None}
    if not input.is_contiguous or not given <= {((channels,), input.dtype)}:
        return None
    if input.numel == 0 or input.dtype not in (torch.float32, torch.float64):
        return None
    statistics = input.like((channels if training else 0,))
    return input, statistics, statistics


@rule("aten::native_layer_norm")
def _native_layer_norm(
    input: Metadata, normalized_shape: list[int], weight: Metadata | None, bias: Metadata | None, eps: float
) -> Result:
    axis = input.ndim - len(normalized_shape)
    if input.shape[axis:] != tuple(normalized_shape) or input.dtype not in _PLAIN or input.numel == 0:
        return None
    if any(t is not None and (t.shape != tuple(normalized_shape) or t.dtype != input.dtype) for t in (weight, bias)):
        return None
    statistics = input.like(input.shape[:axis] + (1,) * len(normalized_shape))
    return input.like(input.shape), statistics, statistics


_PLAIN = (torch.float32, torch.float64)


@rule("aten::mean", "aten::sum")
def _reduction(self: Metadata, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Result:
    if dtype is not None or not self.dtype.is_floating_point:
        return None
    if not isinstance(dim, list) or not dim:
        return self.like((1,) * self.ndim if keepdim else ()) if dim is None or dim == [] else None
    axes = {d % self.ndim for d in dim if -self.ndim <= d < self.ndim}
    if len(axes) != len(dim):
        return None
    if keepdim:
        return self.like(tuple(1 if axis in axes else size for axis, size in enumerate(self.shape)))
    return self.like(tuple(size for axis, size in enumerate(self.shape) if axis not in axes))


@rule("aten::_softmax", "aten::_log_softmax")
def _softmax(self: Metadata, dim: int, half_to_float: bool) -> Result:
    return self if self.is_contiguous and -max(self.ndim, 1) <= dim < max(self.ndim, 1) and not half_to_float else None


@rule("aten::max_pool2d_with_indices")
def _max_pool2d(
    self: Metadata, kernel_size: list[int], stride: list[int] | None = None, padding: list[int] | None = None,
    dilation: list[int] | None = None, ceil_mode: bool = False,
) -> Result:  # fmt: skip
    if ceil_mode or self.ndim != 4 or not self.is_contiguous or self.numel == 0:
        return None
    kernel, pads, gaps = ([*v, *v][:2] if len(v) == 1 else v for v in (kernel_size, padding or [0], dilation or [1]))
    steps = ([*stride, *stride][:2] if len(stride) == 1 else stride) if stride else kernel
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        return None
    sizes = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(self.shape[2:], kernel, steps, pads, gaps, strict=True)
    ]
    if min(sizes) <= 0:
        return None
    out = self.like((*self.shape[:2], *sizes))
    return out, out.like(out.shape, dtype=torch.int64)
