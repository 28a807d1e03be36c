"""A copy of a model with weights, on the machine that is to run it; the user's model is left as it is."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn

from flopsight.errors import InputError

_SEED = 0


def with_weights(model: nn.Module, at: torch.device) -> nn.Module:
    """A copy on a device, in which what had no values has small random ones, and one tensor held twice stays one.

    Random state is left as it was. Raises: InputError for a model that cannot be copied.
    """
    try:
        made = copy.deepcopy(model)
    except Exception as error:
        raise InputError(
            f"{type(model).__name__} cannot be copied ({type(error).__name__}: {error}), and is not measured itself so "
            "that nothing of it changes; give a model that copy.deepcopy can copy."
        ) from error
    filled: dict[int, torch.Tensor] = {}
    generator = torch.Generator(device=at).manual_seed(_SEED)
    for module in made.modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is not None:
                    if id(tensor) not in filled:
                        filled[id(tensor)] = _valued(tensor, name, at, generator)
                    held[name] = filled[id(tensor)]  # type: ignore[assignment]
    return made


def _valued(tensor: torch.Tensor, name: str, at: torch.device, generator: torch.Generator) -> Any:
    """The tensor on a device. One without values gets those of a fresh layer: matrices by their fan-in, scales of 1."""
    if tensor.device == at:
        return tensor
    if not tensor.is_meta:
        moved = tensor.detach().to(at)
    elif not tensor.is_floating_point():
        moved = torch.zeros(tensor.shape, dtype=tensor.dtype, device=at)
    elif tensor.ndim < 2:
        value = 0.0 if "bias" in name or "mean" in name else 1.0
        moved = torch.full(tensor.shape, value, dtype=tensor.dtype, device=at)
    else:
        spread = 1 / math.sqrt(max(1, tensor.numel() // tensor.shape[0]))
        moved = torch.empty(tensor.shape, dtype=tensor.dtype, device=at).normal_(0, spread, generator=generator)
    return nn.Parameter(moved, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else moved
