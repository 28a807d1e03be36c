"""What is known of many tensors, read at once; those of the same properties share it."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter, methodcaller
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]

from flopsight.tracing.fake import Metadata, has_values, metadata_of
from flopsight.tracing.inventory import is_plain

_PLAIN = {torch.Tensor, nn.Parameter}
_STRIDED = {torch.strided}
_layout_of = attrgetter("layout")
_properties_of = attrgetter("shape", "dtype", "device", "requires_grad")
_stride_of = methodcaller("stride")


class Likeness(NamedTuple):
    """What is known of a tensor but for its values. plain: whether its properties say all of it."""

    metadata: Metadata
    trainable: bool
    plain: bool
    has_values: bool


def likenesses(tensors: list[torch.Tensor]) -> list[Likeness | None]:
    """What is known of each; None for one that has no shape yet."""
    known: dict[Any, Likeness | None] = {}
    keys = zip(_keys(tensors), tensors, strict=True)
    return [known.get(key) or known.setdefault(key, _likeness(tensor)) for key, tensor in keys]


def _keys(tensors: list[torch.Tensor]) -> Iterable[Any]:
    """Equal for tensors of which the same is known."""
    kinds = list(map(type, tensors))
    if _PLAIN.issuperset(kinds) and _STRIDED.issuperset(map(_layout_of, tensors)):
        try:
            return list(zip(kinds, map(_properties_of, tensors), map(_stride_of, tensors), strict=True))
        except RuntimeError:  # a nested tensor has no strides
            pass
    return map(id, tensors)


def _likeness(tensor: torch.Tensor) -> Likeness | None:
    if isinstance(tensor, UninitializedTensorMixin):
        return None
    return Likeness(metadata_of(tensor), tensor.requires_grad, is_plain(tensor), has_values(tensor))
