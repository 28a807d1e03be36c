"""What is known of many tensors, read at once; those of the same properties share it."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, NamedTuple

import torch
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]

from flopsight.tracing.fake import has_values, metadata_of
from flopsight.tracing.inventory import PLAIN, is_plain, properties, seen_of
from flopsight.tracing.metadata import Metadata, device_type, metadata, sizing

_PLAIN, _STRIDED = set(PLAIN), {torch.strided}
_layout_of = attrgetter("layout")


class Likeness(NamedTuple):
    """What is known of a tensor but for its values. plain: whether its properties say all of it.

    seen: what `inventory.seen_of` tells.
    """

    metadata: Metadata
    trainable: bool
    plain: bool
    has_values: bool
    seen: tuple[Any, ...]


def likenesses(tensors: list[torch.Tensor]) -> list[Likeness | None]:
    """What is known of each; None for one that has no shape yet."""
    if sizing.get() is None and set(map(type, tensors)) <= _PLAIN and _STRIDED.issuperset(map(_layout_of, tensors)):
        try:
            return list(map(_Alike().__getitem__, zip(*properties(tensors), strict=True)))
        except RuntimeError:  # a nested tensor has no strides
            pass
    known: dict[int, Likeness | None] = {}
    return [known.get(id(tensor)) or known.setdefault(id(tensor), _likeness(tensor)) for tensor in tensors]


class _Alike(dict[Any, Likeness]):
    """What the properties of plain tensors tell, by these."""

    def __missing__(self, key: tuple[type, tuple[Any, ...], tuple[int, ...]]) -> Likeness:
        _, (shape, dtype, device, trainable), stride = key
        meta = metadata(tuple(shape), stride, dtype, device)
        like = self[key] = Likeness(meta, trainable, True, device_type(device) != "meta", (shape, dtype, trainable))
        return like


def _likeness(tensor: torch.Tensor) -> Likeness | None:
    if isinstance(tensor, UninitializedTensorMixin):
        return None
    return Likeness(metadata_of(tensor), tensor.requires_grad, is_plain(tensor), has_values(tensor), seen_of(tensor))
