"""What PyTorch runs where a number is assigned to a part of a stand-in: `mask[:, 2:] = 1`."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.parts.known import ITSELF, Parts

_aten = torch.ops.aten
_END = 2**63 - 1
"""Where PyTorch lets a slice end that has no end."""


def assigned(run: Parts, self: Metadata, index: tuple[Any, ...]) -> Any:
    """A view of the part, dimension by dimension, which is filled; whole dimensions have no view."""
    number, part, dim = self.like((), ()), self, 0
    run(_aten.lift_fresh.default, number)
    for item in index:
        if type(item) is int:
            part = run(_aten.select.int, part, dim, item)
            continue
        start, stop, step = item
        start, stop, step = start or 0, _END if stop is None else stop, 1 if step is None else step
        if start or stop < part.shape[dim] or step != 1:
            part = run(_aten.slice.Tensor, part, dim, start, stop, step)
        dim += 1
    if not part.ndim:
        return None
    return ITSELF if run(_aten.fill_.Tensor, part, number) is part else None
