"""A copy of a model to change at will: its parameters are stand-ins, so that it takes no memory, whatever its size."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from flopsight.errors import InputError
from flopsight.tracing.fake import make, metadata_of


def stand_in(model: nn.Module, dtype: torch.dtype | None = None) -> nn.Module:
    """A copy of a model without the values of its parameters; with `dtype`, its floating-point tensors are of that.

    Raises: InputError for a model that cannot be copied.
    """
    tensors: dict[int, Any] = {id(parameter): _parameter(parameter, dtype) for parameter in model.parameters()}
    tensors |= {id(buffer): _buffer(buffer, dtype) for buffer in model.buffers()}
    try:
        return copy.deepcopy(model, tensors)
    except Exception as error:
        raise InputError(
            f"{type(model).__name__} cannot be copied ({type(error).__name__}: {error}), and only a copy is changed; "
            "give a function that makes the model in its place."
        ) from error


def _parameter(parameter: nn.Parameter, dtype: torch.dtype | None) -> Any:
    of = metadata_of(parameter)
    made = make(
        of.like(of.shape, of.stride, dtype if of.dtype.is_floating_point else None),
        requires_grad=parameter.requires_grad,
    )
    vars(made).update(vars(parameter), _is_param=True)  # which is how PyTorch tells a parameter of another class
    return made


def _buffer(buffer: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    """The model's own, which a run leaves as it was."""
    return buffer.to(dtype) if dtype is not None and buffer.dtype.is_floating_point else buffer
