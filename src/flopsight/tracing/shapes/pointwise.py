"""Strides of the operators that PyTorch marks as going element by element.

Its kernels for those share one iterator. Its meta kernels written in Python say the same but where a dimension has size
1, nothing is in the tensor, an operand is cast, or the result takes another size.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.shapes.elementwise import broadcast, promoted
from flopsight.tracing.shapes.strides import iterated, preserved

_UNCAST = ("condition", "mask")


@cache
def is_pointwise(operator: str) -> bool:
    """Whether PyTorch marks `namespace::name`, or one of its overloads, as going element by element."""
    namespace, _, name = operator.partition("::")
    packet = getattr(getattr(torch.ops, namespace), name)
    return any(torch.Tag.pointwise in getattr(packet, overload).tags for overload in packet.overloads())


def element_by_element(results: Any, given: dict[str, Any]) -> Any:
    """The results with the strides that the iterator leaves, for arguments by schema name, in the schema's order."""
    if isinstance(results, (list, tuple)):
        return [element_by_element(item, given) for item in results]
    tensors = {name: value for name, value in given.items() if isinstance(value, Metadata) and name != "out"}
    if not isinstance(results, Metadata) or not tensors:
        return results
    told = given.get("memory_format") not in (None, torch.preserve_format)
    if told or broadcast(*(t.shape for t in tensors.values())) != results.shape:
        return results
    numbers = any(isinstance(given.get(name), (int, float, complex)) for name in ("self", "other"))
    computed = results.dtype
    if not computed.is_floating_point and not computed.is_complex:
        operands = [value for name, value in tensors.items() if name not in _UNCAST]
        computed = promoted(tuple(operands or tensors.values()))
    cast = [
        t if name in _UNCAST or t.dtype == computed else t.like(t.shape, preserved(t), computed)
        for name, t in tensors.items()
    ]
    return results.like(results.shape, iterated(results.shape, cast, numbers=numbers))
