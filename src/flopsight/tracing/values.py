"""Operators on fake tensors whose results depend on the values of a constant: masks, lengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from flopsight.tracing.fake import has_values, make, metadata_of, needs_values


def _has_values(tensor: Any) -> bool:
    return isinstance(tensor, torch.Tensor) and has_values(tensor)


def _local_scalar_dense(self: torch.Tensor) -> Any:
    raise needs_values("its value")


def _pack_padded_sequence(input: torch.Tensor, lengths: torch.Tensor, batch_first: bool) -> Any:
    """Steps that are not padding, and how many sequences are that long, step by step."""
    if not _has_values(lengths):
        return None
    each: list[int] = lengths.tolist()
    sizes = [sum(length > step for length in each) for step in range(max(each, default=0))]
    meta = metadata_of(input)
    data = make(meta.like((sum(sizes), *meta.shape[2:])))
    with torch._C._DisableTorchDispatch():
        return data, torch.tensor(sizes, dtype=torch.int64)


def _index(self: torch.Tensor, indices: list[torch.Tensor | None]) -> Any:
    """Each constant mask becomes the positions where it holds."""
    masks = [i for i in indices if i is not None and i.dtype in (torch.bool, torch.uint8)]
    if not masks or not all(map(_has_values, masks)):
        return None
    meta = metadata_of(self)
    opened: list[Any] = []
    with torch._C._DisableTorchDispatch():
        for index in indices:
            if index is not None and index.dtype in (torch.bool, torch.uint8):
                opened += [positions.to("meta") for positions in index.nonzero().unbind(1)]
            else:
                opened.append(None if index is None else torch.empty(index.shape, dtype=index.dtype, device="meta"))
        source = torch.empty_strided(meta.shape, meta.stride, dtype=meta.dtype, device="meta")
        out = torch.ops.aten.index.Tensor(source, opened)
    return make(meta.like(tuple(out.shape), out.stride()))


def _masked_select(self: torch.Tensor, mask: torch.Tensor) -> Any:
    if not _has_values(mask):
        return None
    meta = metadata_of(self)
    with torch._C._DisableTorchDispatch():
        chosen = int(mask.expand(torch.broadcast_shapes(mask.shape, meta.shape)).sum())
    return make(meta.like((chosen,)))


BY_VALUES: dict[str, Callable[..., Any]] = {
    "aten::_local_scalar_dense": _local_scalar_dense,
    "aten::_pack_padded_sequence": _pack_padded_sequence,
    "aten::index": _index,
    "aten::masked_select": _masked_select,
}
"""By operator: a function of its arguments that gives the results, or None where it takes no constants."""
