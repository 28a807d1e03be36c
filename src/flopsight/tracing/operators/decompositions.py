"""Operators as PyTorch itself writes them with other operators, for those without a formula."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch._ops import OpOverload

from flopsight.calls import Operation
from flopsight.cost import ZERO, Cost
from flopsight.tracing.fake import fakes_of
from flopsight.tracing.operators import without_dynamo
from flopsight.tracing.operators.operation import OperatorInfo


def _decompositions(func: OpOverload) -> list[Callable[..., Any]]:
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


def decomposed(
    info: OperatorInfo,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    records_of: Callable[[Callable[[], Any]], list[Operation]],
) -> Cost | None:
    """The cost of an operator as the sum over the operators PyTorch itself writes it with; None if that is unknown.

    records_of: tells what a call runs.
    """
    for parts in _decompositions(info.func):
        stand_ins = fakes_of(list(args)), {name: fakes_of(value) for name, value in kwargs.items()}
        try:
            records = records_of(partial(parts, *stand_ins[0], **stand_ins[1]))
        except Exception:  # one that fails is one PyTorch does not have
            continue
        costs = [record.cost for record in records]
        if costs and all(cost is not None for cost in costs):
            return sum((cost for cost in costs if cost is not None), ZERO)
    return None
