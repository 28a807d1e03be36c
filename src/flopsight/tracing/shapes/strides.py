"""The strides that PyTorch's CPU kernels choose for a new tensor, by its `TensorIterator` and `empty_like`."""

from __future__ import annotations

from operator import attrgetter

import torch

from flopsight.tracing.metadata import Metadata, contiguous

Sizes = tuple[int, ...]
_is_c_array = attrgetter("is_contiguous")


def dense(of: Metadata) -> bool:
    """Whether the elements fill memory without gap or overlap, in some order of dimensions."""
    if of.numel == 0 or of.is_contiguous:
        return True
    step = 1
    for stride, size in sorted([(stride, size) for stride, size in zip(of.stride, of.shape, strict=True) if size > 1]):
        if stride != step:
            return False
        step *= size
    return True


def is_contiguous(of: Metadata) -> bool:
    """Whether the elements lie as in a C array, whatever the strides of dimensions of size 1."""
    if of.is_contiguous:
        return True
    step = 1
    for size, stride in zip(reversed(of.shape), reversed(of.stride), strict=True):
        if size != 1:
            if stride != step:
                return of.numel == 0
            step *= size
    return True


def channels_last(shape: Sizes) -> Sizes:
    """The strides of a tensor of that shape whose channels (the second dimension) lie side by side."""
    stride, step = [0] * len(shape), 1
    for axis in reversed((0, *range(2, len(shape)), 1)):
        stride[axis] = step
        step *= max(shape[axis], 1)
    return tuple(stride)


def lies_channels_last(of: Metadata) -> bool:
    """Whether the elements lie with channels side by side, whatever the strides of dimensions of size 1."""
    for size, stride, last in zip(of.shape, of.stride, channels_last(of.shape), strict=True):
        if size != 1 and stride != last:
            return False
    return of.numel > 0


def suggests_channels_last(of: Metadata) -> bool:
    """Whether PyTorch takes the tensor for one in channels-last layout (`suggest_memory_format` of its kernels)."""
    if of.ndim not in (4, 5) or of.stride[1] == 0:
        return False
    least = 0
    for axis in (1, *range(of.ndim - 1, 1, -1), 0):
        size, stride = of.shape[axis], of.stride[axis]
        if size == 0 or stride < least or (axis == 0 and least == of.stride[1]):
            return False
        least = stride * max(size, 1)
    return True


def suggested(of: Metadata, shape: Sizes | None = None) -> Sizes:
    """The strides of a new tensor of `shape` (else that of `of`) in the layout that `of` suggests."""
    shape = of.shape if shape is None else shape
    return channels_last(shape) if suggests_channels_last(of) else contiguous(shape)


def _compared(one: int, other: int, shape: Sizes, operands: list[Sizes]) -> int:
    """Order of two dimensions in memory: 1 if `one` has the larger strides, -1 if the smaller, 0 if both will do."""
    for strides in operands:
        a, b = strides[one], strides[other]
        if a == 0 or b == 0:
            continue
        if a != b:
            return 1 if a > b else -1
        if shape[one] > shape[other]:
            return 1
    return 0


def _ordered(shape: Sizes, operands: list[Sizes]) -> Sizes:
    """Strides of a new tensor, its dimensions ordered as in the first operand that tells."""
    order = list(range(len(shape) - 1, -1, -1))
    for start in range(1, len(order)):
        at = start
        for before in range(start - 1, -1, -1):
            compared = _compared(order[before], order[at], shape, operands)
            if compared > 0:
                order[before], order[at] = order[at], order[before]
                at = before
            elif compared < 0:
                break
    if order == list(range(len(shape) - 1, -1, -1)):
        return contiguous(shape)
    stride, step = [0] * len(shape), 1
    for axis in order:
        stride[axis] = step
        step *= shape[axis]
    return tuple(stride)


def preserved(of: Metadata) -> Sizes:
    """The strides of `torch.empty_like(of)`."""
    return of.stride if dense(of) else _ordered(of.shape, [of.stride])


def broadcast_strides(of: Metadata, shape: Sizes) -> Sizes:
    """The strides of `of.expand(shape)`."""
    offset = len(shape) - of.ndim
    kept = (
        0 if size == 1 and shape[offset + axis] != 1 else stride
        for axis, (size, stride) in enumerate(zip(of.shape, of.stride, strict=True))
    )
    return (*(0,) * offset, *kept)


def iterated(
    shape: Sizes, operands: list[Metadata], computed: torch.dtype | None = None, *, numbers: bool = False
) -> Sizes:
    """The strides of the result, of `shape`, of an operator that goes through its operands element by element.

    computed: the dtype that operands are turned into first. numbers: whether a number is among the operands.
    """
    if all(map(_is_c_array, operands)) and 0 not in shape:  # none of them would have an order changed
        return contiguous(shape)
    if computed is not None:
        operands = [o if o.dtype == computed else o.like(o.shape, preserved(o), computed) for o in operands]
    if all(o.shape == shape for o in operands) and not (numbers and shape):
        if all(map(is_contiguous, operands)):
            return contiguous(shape)
        if len(shape) == 4 and all(map(lies_channels_last, operands)):
            return channels_last(shape)
        if all(o.stride == operands[0].stride for o in operands) and dense(operands[0]):
            return operands[0].stride
    return _ordered(shape, [broadcast_strides(o, shape) for o in operands]) if len(shape) > 1 else contiguous(shape)
