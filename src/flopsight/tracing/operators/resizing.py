"""Tensors that an operator gives another size: `out=` of a size that does not fit, `resize_`."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.errors import InputError
from flopsight.tracing.fake import Fake, make
from flopsight.tracing.metadata import Metadata
from flopsight.tracing.values.deferred import Deferred


def resize(target: Any, result: Any, operator: str, *, owned: bool) -> None:
    """Give `target`, which `operator` writes `result` to, the size and strides of the result, as PyTorch does.

    owned: whether the run made the target; only then may one with memory be changed.
    """
    if not isinstance(result, Metadata) or not isinstance(target, torch.Tensor) or target.shape == result.shape:
        return
    if type(target) in (Fake, Deferred):
        target.data = make(result.like(result.shape, result.stride, target.dtype))
    elif owned:
        with torch._C._DisableTorchDispatch(), torch.no_grad():
            target.resize_(result.shape).as_strided_(result.shape, result.stride)
    else:
        raise InputError(
            f"{operator} would resize a tensor of yours from {list(target.shape)} to {list(result.shape)}, and a "
            "profile leaves your tensors as they are; make the tensor inside the model, or pass execute=True."
        )
