"""Nested tensors of jagged layout: counted by the packed tensor they hold, which is as long as their parts together.

Those of strided layout, which PyTorch keeps in C++ and no longer develops, are refused.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.nested._internal import nested_tensor

from flopsight.errors import InputError

NestedTensor: Any = nested_tensor.NestedTensor
STRIDED = {
    "aten::_nested_from_padded", "aten::_nested_from_padded_and_nested_example", "aten::_nested_tensor_from_mask",
    "aten::_nested_tensor_from_tensor_list", "aten::_nested_view_from_buffer", "aten::_nested_view_from_buffer_copy",
}  # fmt: skip
"""Operators that make a nested tensor of strided layout."""


def prepare() -> None:
    """Have PyTorch make an example that it keeps for good now, rather than in a run.

    In older versions Dynamo is imported for that: there, once somebody imports it.
    """
    if "torch._dynamo" not in sys.modules and "_dynamo" in NestedTensor.__init__.__code__.co_names:
        return
    if getattr(nested_tensor, "_dummy_instance", True) is None:
        with unset_fake_temporarily():
            nested_tensor._nt_view_dummy()


def packed(tensor: torch.Tensor) -> torch.Tensor:
    """What a jagged nested tensor holds. Raises: InputError for one of strided layout."""
    if not isinstance(tensor, NestedTensor):
        raise refused()
    values: torch.Tensor = tensor._values
    return values


def with_values(tensor: Any, values: torch.Tensor, *, requires_grad: bool = False) -> torch.Tensor:
    """A jagged nested tensor of the same lengths as another."""
    made: torch.Tensor = NestedTensor(
        values,
        offsets=tensor._offsets,
        lengths=tensor._lengths,
        requires_grad=requires_grad,
        _ragged_idx=tensor._ragged_idx,
        _metadata_cache=tensor._metadata_cache,
    )
    return made


def refused() -> InputError:
    """The error for a nested tensor of strided layout."""
    return InputError(
        "A nested tensor of strided layout is among what the model computes with, and flopsight does not follow those; "
        "make it with layout=torch.jagged, give it padded (torch.nested.to_padded_tensor), or profile each of its "
        "sequences and add the counts."
    )
