"""Operators as PyTorch itself writes them with other operators, for those without a formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch._ops import OpOverload

from flopsight.tracing import without_dynamo


def decompositions(func: OpOverload) -> list[Callable[..., Any]]:
    """Functions that do what an operator does with other operators; none if PyTorch has none."""
    import torch._decomp.decompositions
    from torch._decomp import decomposition_table

    found: list[Callable[..., Any]] = []
    if func in decomposition_table:
        without_dynamo.prepare()
        found.append(decomposition_table[func])
    ours = func.namespace in ("aten", "prims")  # a user's kernel may be registered so, and is not to meet fake tensors
    if ours and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeExplicitAutograd"):
        found.append(
            lambda *args, **kwargs: func._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, *args, **kwargs)
        )
    return found
