"""Composite operators that compare devices, in a model whose weights are on the meta device and whose inputs are not.

Weights on the meta device stand for weights where the inputs are, and every operator that a dispatch mode sees takes
them so. What PyTorch writes with other operators may compare devices before any mode sees a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from flopsight.tracing.fake import Fake, make, metadata_of
from flopsight.tracing.given.inputs import fill
from flopsight.tracing.place import active

_NAMES = (
    "cartesian_prod", "cdist", "chain_matmul", "gradient.tensorarray", "gradient.tensorarrayint", "gru.data",
    "gru.input", "gru_cell", "inner", "linalg_matrix_rank.atol_rtol_tensor", "linalg_matrix_rank.tol_tensor",
    "linalg_multi_dot", "lstm.data", "lstm.input", "lstm_cell", "meshgrid", "meshgrid.indexing", "nanquantile",
    "quantile", "rnn_relu.data", "rnn_relu.input", "rnn_relu_cell", "rnn_tanh.data", "rnn_tanh.input", "rnn_tanh_cell",
    "scaled_dot_product_attention", "stft", "stft.center", "take_along_dim",
)  # fmt: skip


def _overload(name: str) -> OpOverload:
    packet, _, overload = name.partition(".")
    found: OpOverload = getattr(getattr(torch.ops.aten, packet), overload or "default")
    return found


COMPARING = tuple(map(_overload, _NAMES))
"""Operators that compare devices: with autograd, PyTorch takes them apart before a mode sees them."""


class _Aliasing(TorchDispatchMode):
    """Gives a stand-in for each alias that is made."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first dispatch imports torch._dynamo

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return make(metadata_of(args[0]))


def stand_in(tensor: torch.Tensor) -> torch.Tensor:
    """A view of a tensor that is a stand-in on the device that the tensor stands for; gradients go to the tensor."""
    with torch.set_grad_enabled(tensor.requires_grad or torch.is_grad_enabled()), _Aliasing():
        view: torch.Tensor = torch.ops.aten.alias(tensor)
    return view


def _has_meta(values: Iterable[Any]) -> bool:
    """Whether a tensor on the meta device is among the arguments of an operator; a stand-in is on none such."""
    for value in values:
        kind = type(value)
        if kind is Fake or kind is int or value is None:
            continue
        if isinstance(value, torch.Tensor):
            if value.is_meta:
                return True
        elif (kind is list or kind is tuple) and value and type(value[0]) is not int and _has_meta(value):
            return True
    return False


def on_one_device(parts: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `parts` returns; where it fails on arguments some of which are on the meta device, with stand-ins for those.

    What it ran before it failed is not booked. Raises: what it raises then.
    """
    run = active()
    if run is None or not (_has_meta(args) or _has_meta(kwargs.values())):
        return parts(*args, **kwargs)
    try:
        with run.dispatcher.ledger.apart() as calls:
            out = parts(*args, **kwargs)
    except RuntimeError:
        args, kwargs = fill((args, kwargs), lambda tensor: stand_in(tensor) if tensor.is_meta else tensor)
        return parts(*args, **kwargs)
    run.dispatcher.ledger.put(calls)
    return out
