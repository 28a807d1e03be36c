"""Operators that take as many elements as values decide, on an assumption of how many (`proposals`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from flopsight.cost import product
from flopsight.tracing.fake import make, metadata_of
from flopsight.tracing.metadata import Metadata, contiguous
from flopsight.tracing.operators.operation import OperatorInfo
from flopsight.tracing.place import current_place
from flopsight.tracing.values.by_values import indexed, is_mask

_ASSUMED = "elements are taken where values decide how many (boxes above a score, non-maximum suppression)"


class Selections:
    """The results of such operators in one run.

    most: how many elements each takes, or all where there are fewer. notes: the run's, where the assumption is said.
    """

    def __init__(self, most: int, notes: list[str]) -> None:
        self._most = most
        self._notes = notes

    def made(self, info: OperatorInfo, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The results as stand-ins; None where the call is no such selection."""
        rule = SELECTIONS.get(info.packet)
        found = rule(self._most, **info.bound(args, kwargs)) if rule is not None and not info.writes else None
        if found is not None and not any(_ASSUMED in note for note in self._notes):
            first = f"first {info.packet.partition('::')[2]}() in {current_place()}"
            self._notes.append(f"{self._most:,} {_ASSUMED}, or all where there are fewer; {first}.")
        return found


def _nonzero(most: int, self: torch.Tensor, **_: Any) -> Any:
    """A row of positions for each element taken, stored column by column."""
    meta = metadata_of(self)
    taken = min(most, meta.numel)
    return make(meta.like((taken, meta.ndim), (1, taken), torch.int64))


def _index(most: int, self: torch.Tensor, indices: list[torch.Tensor | None], **_: Any) -> Any:
    """Each mask becomes the positions of the elements taken; None where there is no mask."""
    masks = [index.numel() for index in indices if index is not None and is_mask(index)]
    if not masks:
        return None
    taken = torch.empty(min(most, *masks), dtype=torch.int64, device="meta")
    return indexed(self, indices, lambda mask: [taken] * mask.ndim)


def _masked_select(most: int, self: torch.Tensor, mask: torch.Tensor, **_: Any) -> Any:
    meta = metadata_of(self)
    return make(meta.like((min(most, product(torch.broadcast_shapes(mask.shape, meta.shape))),)))


def _nms(most: int, dets: torch.Tensor, **_: Any) -> Any:
    meta = metadata_of(dets)
    return make(meta.like((min(most, meta.shape[0]),), dtype=torch.int64))


def _unique(most: int, self: torch.Tensor, return_inverse: bool = False, **_: Any) -> Any:
    meta = metadata_of(self)
    inverse = _integers(meta, meta.shape if return_inverse else (0,))
    return make(meta.like((min(most, meta.numel),))), inverse


def _unique2(most: int, self: torch.Tensor, return_inverse: bool = False, return_counts: bool = False, **_: Any) -> Any:
    values, inverse = _unique(most, self, return_inverse or return_counts)
    return values, inverse, _integers(metadata_of(self), values.shape if return_counts else (0,))


def _unique_consecutive(
    most: int,
    self: torch.Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
    **_: Any,
) -> Any:
    if dim is not None:
        return _unique_dim(most, self, dim)
    values, inverse = _unique(most, self, return_inverse)
    return values, inverse, _integers(metadata_of(self), values.shape if return_counts else (0,))


def _unique_dim(most: int, self: torch.Tensor, dim: int, **_: Any) -> Any:
    """Slices along a dimension, stored slice by slice; PyTorch gives the inverse and the counts in any case."""
    meta = metadata_of(self)
    dim %= meta.ndim
    taken = min(most, meta.shape[dim])
    before, after = meta.shape[:dim], meta.shape[dim + 1 :]
    step, *steps = contiguous((taken, *before, *after))
    values = make(meta.like((*before, taken, *after), (*steps[:dim], step, *steps[dim:])))
    return values, _integers(meta, (meta.shape[dim],)), _integers(meta, (taken,))


def _integers(meta: Metadata, shape: tuple[int, ...]) -> Any:
    return make(meta.like(tuple(shape), dtype=torch.int64))


SELECTIONS: dict[str, Callable[..., Any]] = {
    "aten::_unique": _unique,
    "aten::_unique2": _unique2,
    "aten::index": _index,
    "aten::masked_select": _masked_select,
    "aten::nonzero": _nonzero,
    "aten::unique_consecutive": _unique_consecutive,
    "aten::unique_dim": _unique_dim,
    "torchvision::nms": _nms,
    "torchvision::qnms": _nms,
}
"""By operator: a function of how many elements are taken and its arguments, that gives the results."""
