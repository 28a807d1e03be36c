"""Attention in one kernel."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.shapes.rules import Result, rule
from flopsight.tracing.shapes.strides import preserved

_COMPUTED_IN = {
    torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.float32: torch.float32,
    torch.float64: torch.float64,
}  # fmt: skip


@rule("aten::_scaled_dot_product_flash_attention_for_cpu")
def _flash_attention_for_cpu(query: Metadata, key: Metadata, value: Metadata, *_: Any, **__: Any) -> Result:
    """The result lies as the queries do; the logarithms of the sums, which are kept for a backward pass, by heads."""
    batch, heads, length = query.shape[:3]
    if query.numel == 0 or query.dtype not in _COMPUTED_IN:
        return None
    sums = query.like((batch, heads, length), (heads * length, 1, heads), _COMPUTED_IN[query.dtype])
    return query.like(query.shape, preserved(query)), sums
