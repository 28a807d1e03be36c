"""What is known of many tensors, read at once; those of the same properties share it."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, NamedTuple

import torch
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]

from flopsight.tracing.fake import Metadata, has_values, metadata_of
from flopsight.tracing.inventory import PLAIN, is_plain, properties

_STRIDED = {torch.strided}
_layout_of = attrgetter("layout")


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
    if set(map(type, tensors)) <= set(PLAIN) and _STRIDED.issuperset(map(_layout_of, tensors)):
        try:
            return list(zip(*properties(tensors), strict=True))
        except RuntimeError:  # a nested tensor has no strides
            pass
    return map(id, tensors)


def _likeness(tensor: torch.Tensor) -> Likeness | None:
    if isinstance(tensor, UninitializedTensorMixin):
        return None
    return Likeness(metadata_of(tensor), tensor.requires_grad, is_plain(tensor), has_values(tensor))
