"""Views: the same elements under other sizes and strides. What does not fit is left to PyTorch's kernel, to refuse."""

from __future__ import annotations

from flopsight.cost import product
from flopsight.tracing.fake import Metadata
from flopsight.tracing.shapes.rules import Result, rule


def _axis(dim: int, ndim: int) -> int:
    if not -ndim <= dim < ndim:
        raise IndexError
    return dim % ndim


def _is_number(size: int) -> bool:
    """Whether a size has no name: sizes that are told in a call come without theirs, which are found afterwards."""
    return type(size) is int


@rule("aten::view", "aten::_unsafe_view")
def _view(self: Metadata, size: list[int]) -> Result:
    if not self.is_contiguous or self.numel == 0 or list(size).count(-1) > 1 or not _is_number(self.numel):
        return None
    known = product(length for length in size if length != -1)
    shape = tuple(self.numel // known if length == -1 else length for length in size)
    return self.like(shape) if product(shape) == self.numel and min(shape, default=1) > 0 else None


@rule("aten::permute")
def _permute(self: Metadata, dims: list[int]) -> Result:
    axes = [_axis(dim, self.ndim) for dim in dims]
    if sorted(axes) != list(range(self.ndim)):
        return None
    return self.like(tuple(self.shape[axis] for axis in axes), tuple(self.stride[axis] for axis in axes))


@rule("aten::transpose")
def _transpose(self: Metadata, dim0: int, dim1: int) -> Result:
    axes = list(range(self.ndim))
    first, second = _axis(dim0, self.ndim), _axis(dim1, self.ndim)
    axes[first], axes[second] = second, first
    return _permute(self, axes)


@rule("aten::t")
def _t(self: Metadata) -> Result:
    return self.like(self.shape[::-1], self.stride[::-1]) if self.ndim <= 2 else None


@rule("aten::unsqueeze")
def _unsqueeze(self: Metadata, dim: int) -> Result:
    at = _axis(dim, self.ndim + 1)
    stride = self.shape[at] * self.stride[at] if at < self.ndim else 1
    return self.like((*self.shape[:at], 1, *self.shape[at:]), (*self.stride[:at], stride, *self.stride[at:]))


@rule("aten::select")
def _select(self: Metadata, dim: int, index: int) -> Result:
    at = _axis(dim, self.ndim)
    _axis(index, self.shape[at])
    return self.like((*self.shape[:at], *self.shape[at + 1 :]), (*self.stride[:at], *self.stride[at + 1 :]))


@rule("aten::expand")
def _expand(self: Metadata, size: list[int], *, implicit: bool = False) -> Result:
    """From the last dimension on; a new one of size 1 has the stride that a C array would have there."""
    new = len(size) - self.ndim
    if new < 0 or min(size[:new], default=0) < 0 or self.ndim == 0 or not _is_number(self.numel):
        return None
    shape, stride = list(size), [0] * len(size)
    for at in reversed(range(len(size))):
        length = self.shape[at - new] if at >= new else 1
        shape[at] = length if size[at] == -1 else size[at]
        if shape[at] == length:
            stride[at] = self.stride[at - new] if at >= new else shape[at + 1] * stride[at + 1]
        elif length != 1:
            return None
    return self.like(tuple(shape), tuple(stride))
