"""Views: the same elements under other sizes and strides. What does not fit is left to PyTorch's kernel, to refuse."""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import product
from flopsight.tracing.metadata import Metadata, contiguous
from flopsight.tracing.shapes.rules import Result, rule


def _axis(dim: int, ndim: int) -> int:
    if not -ndim <= dim < ndim:
        raise IndexError
    return dim % ndim


def _is_number(size: int) -> bool:
    """Whether a size has no name: sizes that are told in a call come without theirs, which are found afterwards."""
    return type(size) is int


@rule("aten::alias", "aten::detach")
def _alias(self: Metadata) -> Result:
    return self


@rule("aten::view", "aten::_unsafe_view")
def _view(self: Metadata, size: list[int]) -> Result:
    shape = sizes_asked(self, size)
    if shape is not None and self.is_contiguous:
        return self.like(shape)
    stride = None if shape is None else as_viewed(self, shape)
    return None if shape is None or stride is None else self.like(shape, stride)


def sizes_asked(of: Metadata, size: Sequence[int]) -> tuple[int, ...] | None:
    """The sizes asked for, with that which is -1; None where they do not fit, or may not."""
    numel, shape = of.numel, tuple(size)
    if numel == 0 or type(numel) is not int:
        return None
    if -1 in shape:
        at = shape.index(-1)
        shape = (*shape[:at], numel // -product(shape), *shape[at + 1 :])
    return shape if product(shape) == numel and min(shape, default=1) > 0 else None


def as_viewed(of: Metadata, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The strides under other sizes, as PyTorch works them out; None where no strides will do.

    Neighbouring dimensions that lie as one, from the last on, are divided anew.
    """
    if of.is_contiguous:
        return contiguous(shape)
    stride, at, old, new, step = [0] * len(shape), len(shape) - 1, 1, 1, of.stride[-1] if of.stride else 1
    for axis in reversed(range(of.ndim)):
        old *= of.shape[axis]
        if axis and (of.shape[axis - 1] == 1 or of.stride[axis - 1] == old * step):
            continue
        while at >= 0 and (new < old or shape[at] == 1):
            stride[at] = new * step
            new *= shape[at]
            at -= 1
        if new != old:
            return None
        old, new, step = 1, 1, of.stride[axis - 1]
    return tuple(stride)


@rule("aten::permute")
def _permute(self: Metadata, dims: list[int]) -> Result:
    ndim = self.ndim
    axes = [dim + ndim if dim < 0 else dim for dim in dims]
    if sorted(axes) != list(range(ndim)):
        return None
    return self.like(tuple([self.shape[axis] for axis in axes]), tuple([self.stride[axis] for axis in axes]))


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


@rule("aten::squeeze")
def _squeeze(self: Metadata, dim: int | list[int] | None = None) -> Result:
    dims = range(self.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    given = {_axis(each, max(self.ndim, 1)) for each in dims}
    if len(given) < len(dims):
        return None
    kept = [axis for axis, size in enumerate(self.shape) if size != 1 or axis not in given]
    return self.like(tuple(self.shape[axis] for axis in kept), tuple(self.stride[axis] for axis in kept))


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
