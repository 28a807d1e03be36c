"""Copies, concatenation, padding and new tensors."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.cost import product
from flopsight.tracing.metadata import Metadata, contiguous, metadata
from flopsight.tracing.shapes.elementwise import broadcast
from flopsight.tracing.shapes.rules import Result, rule
from flopsight.tracing.shapes.strides import channels_last, dense, preserved, suggested, suggests_channels_last


@rule("aten::slice")
def _slice(self: Metadata, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Result:
    if step < 1 or not -self.ndim <= dim < self.ndim:
        return None
    dim %= self.ndim
    size = self.shape[dim]
    first, last = start or 0, size if end is None else end
    first, last = min(size, first if first >= 0 else max(0, first + size)), min(size, last)
    last = last if last >= 0 else max(0, last + size)
    length = max(0, -(-(last - first) // step))
    stride = (*self.stride[:dim], self.stride[dim] * step, *self.stride[dim + 1 :])
    return self.like((*self.shape[:dim], length, *self.shape[dim + 1 :]), stride)


@rule("aten::cat")
def _cat(tensors: list[Metadata], dim: int = 0) -> Result:
    first = tensors[0]
    if not -first.ndim <= dim < first.ndim:
        return None
    dim %= first.ndim
    for t in tensors:
        rest = t.shape[:dim] + t.shape[dim + 1 :]
        if rest != first.shape[:dim] + first.shape[dim + 1 :] or t.dtype != first.dtype or t.numel == 0:
            return None
    shape = (*first.shape[:dim], sum(t.shape[dim] for t in tensors), *first.shape[dim + 1 :])
    return first.like(shape, channels_last(shape) if all(map(suggests_channels_last, tensors)) else None)


@rule("aten::constant_pad_nd")
def _constant_pad(self: Metadata, pad: list[int], value: Any = 0) -> Result:
    if len(pad) % 2 or len(pad) > 2 * self.ndim or min(pad) < 0 or isinstance(value, complex):
        return None
    if not any(pad):
        return self.like(self.shape, preserved(self))
    shape = list(self.shape)
    for at in range(len(pad) // 2):
        shape[-1 - at] += pad[2 * at] + pad[2 * at + 1]
    return self.like(tuple(shape), suggested(self, tuple(shape)))


@rule("aten::clone")
def _clone(self: Metadata, *, memory_format: torch.memory_format | None = None) -> Result:
    if memory_format is torch.contiguous_format:
        return self.like(self.shape)
    return self if memory_format in (None, torch.preserve_format) and dense(self) else None


@rule("aten::_to_copy")
def _to_copy(self: Metadata, *, dtype: torch.dtype | None = None, memory_format: Any = None, **options: Any) -> Result:
    if (
        memory_format not in (None, torch.preserve_format)
        or not dense(self)
        or options.get("layout") not in (None, torch.strided)
    ):
        return None
    device = options.get("device") or self.device
    return metadata(self.shape, self.stride, dtype or self.dtype, device)


@rule("aten::copy_", "aten::fill_", "aten::zero_")
def _overwrite(self: Metadata, *_: Any, **__: Any) -> Result:
    source = _[0] if _ and isinstance(_[0], Metadata) else None
    return self if source is None or broadcast(self.shape, source.shape) == self.shape else None


def _new(shape: tuple[int, ...], dtype: torch.dtype | None, device: torch.device | None) -> Metadata:
    return metadata(
        tuple(shape), contiguous(tuple(shape)), dtype or torch.get_default_dtype(), device or torch.device("cpu")
    )


@rule("aten::empty", "aten::zeros", "aten::ones", "aten::rand", "aten::randn")
def _factory(
    size: list[int], *, dtype: torch.dtype | None = None, device: torch.device | None = None, layout: Any = None,
    pin_memory: Any = None, memory_format: Any = None,
) -> Result:  # fmt: skip
    return _new(tuple(size), dtype, device) if memory_format is None and layout in (None, torch.strided) else None


@rule("aten::new_empty", "aten::new_ones", "aten::new_zeros")
def _new_like(
    self: Metadata, size: list[int], *, dtype: torch.dtype | None = None, layout: Any = None, device: Any = None,
    pin_memory: Any = None,
) -> Result:  # fmt: skip
    """Sizes are told without their names, which are found afterwards, among those of `self`."""
    if layout not in (None, torch.strided) or type(self.numel) is not int:
        return None
    return _new(tuple(size), dtype or self.dtype, device or self.device)


@rule("aten::roll")
def _roll(self: Metadata, shifts: list[int], dims: list[int] | None = None) -> Result:
    return self if self.is_contiguous and dims and all(-self.ndim <= d < self.ndim for d in dims) else None


@rule("aten::view_copy")
def _view_copy(self: Metadata, size: list[int]) -> Result:
    """A copy, so that any strides will do."""
    known = product(length for length in size if length != -1)
    shape = tuple(self.numel // known if length == -1 else length for length in size)
    return self.like(shape) if product(shape) == self.numel else None
