"""The tables of parts, and how they are run: on metadata, so that there is no stand-in for what is inside.

What an operator or a layer runs is a function, given `Metadata` for tensors, that runs it with `Parts`. It returns the
result's metadata, `ITSELF` where its first tensor is handed back, or None where it is not sure: PyTorch's own code then
runs, as it does where an operator inside refuses its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn
from torch._ops import OpOverload

from flopsight.calls import Operation
from flopsight.errors import FlopsightError
from flopsight.tracing.booking import Booking
from flopsight.tracing.fake import Fake, metadata_in
from flopsight.tracing.inventory import is_plain
from flopsight.tracing.memo import Composite, hashable
from flopsight.tracing.metadata import Metadata, sizing
from flopsight.tracing.modules import Known
from flopsight.tracing.operators.operation import INFOS, OperatorInfo, info_of, is_taken_apart

HELD_TO = "2.13."
"""The version of PyTorch that tests hold the tables to; in others its own code runs."""
_DEVICES = {"cpu", "cuda"}
"""On others, PyTorch has kernels of their own for some composite operators."""
ITSELF = object()
OPERATORS: dict[OperatorInfo, Callable[..., Any]] = {}
"""What composite operators run, given their arguments."""
LAYERS: dict[type[nn.Module], Callable[..., Any]] = {}
"""What the forward of a class's modules runs, given the module, the metadata of what it holds by name, and of its
input.
"""
_NOT_SURE = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, FlopsightError)
_AS_THEY_ARE = {Metadata, int, type(None)}


def parts(*operators: OpOverload) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the decorated function as what `operators` run."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        OPERATORS.update(dict.fromkeys(map(info_of, operators), function))
        return function

    return declare


def layer(*classes: type[nn.Module]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the decorated function as what the forward of modules of `classes` runs."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        LAYERS.update(dict.fromkeys(classes, function))
        return function

    return declare


def parts_of(booking: Booking) -> Parts | None:
    """What runs known parts for a dispatcher; None for a run in which PyTorch's own code has to."""
    follows = booking.execute or booking.proposals is not None or sizing.get() is not None
    if follows or not booking.below_autograd or not torch.__version__.startswith(HELD_TO):
        return None
    return Parts(booking) if _kernels().isdisjoint(torch.library._impls) else None


@cache
def _kernels() -> set[str]:
    """What PyTorch calls the kernels of the user's that take the operators apart in another way."""
    return {f"{info.func.name().replace('::', '/')}/CompositeImplicitAutograd" for info in OPERATORS}


class Parts:
    """Runs the parts of one call at a time, and gathers their records."""

    def __init__(self, booking: Booking) -> None:
        self._booking = booking
        self._records: list[Operation] = []

    def __call__(self, operator: OpOverload, *args: Any, **kwargs: Any) -> Any:
        """The results of an operator that is not composite."""
        info = INFOS.get(id(operator)) or info_of(operator)
        args = info.without_defaults(args)
        key = [info, *map(_key, args)]
        if kwargs:
            key += (tuple(kwargs), *map(hashable, kwargs.values()))
        call = self._booking.call_of(info, tuple(key), args, kwargs)
        self._records.append(call.operation)
        return call.results

    def written(self, operator: OpOverload, *args: Any) -> Any:
        """The result of an operator that writes to its first argument, and leaves it in size as it is."""
        return ITSELF if self(operator, *args) is args[0] else None

    def of(self, operator: OpOverload, *args: Any) -> Any:
        """The result of a composite operator."""
        info = info_of(operator)
        return OPERATORS[info](self, *args) if is_taken_apart(info) else None

    def operator(self, info: OperatorInfo, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Composite | None:
        """What a composite operator runs; None where that is not known."""
        found = OPERATORS.get(info)
        if found is None or not all(map(_is_plain, args)):
            return None
        return self.made(found, *map(metadata_in, args), **kwargs)

    def layer(self, known: Known, given: Metadata) -> Composite | None:
        """What the forward of a module runs; None where that is not known."""
        module = known.module
        found = LAYERS.get(type(module))
        if found is None:
            return None
        held = dict(zip((*module._parameters, *module._buffers), known.holding.metadata, strict=True))
        if not held.keys().isdisjoint(module.__dict__):  # attributes that stand before what is held
            return None
        return self.made(lambda run, given: found(run, module, held, given), given)

    def made(self, function: Callable[..., Any], first: Metadata, *args: Any, **kwargs: Any) -> Composite | None:
        """What a function of the tables runs; None where that is not known."""
        if first.device_type not in _DEVICES:
            return None
        records = self._records = []
        try:
            result = function(self, first, *args, **kwargs)
        except _NOT_SURE:
            return None
        if result is ITSELF:
            return Composite(records, first, 0, casts=False)
        return Composite(records, result, None, casts=False) if type(result) is Metadata else None


def _key(value: Any) -> Any:
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is list and value and type(value[0]) is int:
        return tuple(value)
    return (kind, value) if kind is bool or kind is float else hashable(value)


def _is_plain(value: Any) -> bool:
    """Whether an argument is a stand-in, a tensor of which metadata says all, or no tensor."""
    return type(value) is Fake or not isinstance(value, torch.Tensor) or is_plain(value)
