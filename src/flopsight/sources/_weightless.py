"""Building a model without its weights.

While a constructor runs, every uninitialised floating-point tensor, and every large one, is made on the meta device,
where it has a shape and no storage, and initialising it does nothing. Everything else (drop rates, position tables,
small constants) stays real, because constructors compute on those and read them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_any, tree_map_only

aten = torch.ops.aten
T = TypeVar("T")

CPU, META = torch.device("cpu"), torch.device("meta")

_EMPTY = {aten.empty.memory_format, aten.empty_strided.default, aten.new_empty.default}
_FILLED = {aten.zeros.default, aten.ones.default, aten.full.default, aten.rand.default, aten.randn.default}

LARGE_ELEMS = 2**16
"""From this size on, zeros, ones and random numbers are weights rather than constants."""

_RESHAPING = {
    "as_strided_", "resize_", "resize_as_", "set_", "squeeze_", "swapaxes_", "swapdims_", "t_", "transpose_",
    "unsqueeze_",
}  # fmt: skip


def build(factory: Callable[..., T], arguments: Mapping[str, Any] | None = None, *, real: bool = False) -> T:
    """What `factory(**arguments)` returns, without weights unless `real`; random state is left as it was.

    A constructor that needs the values of a weight is run again with real tensors; one that fails otherwise is not, for
    its weights may be more than the machine can hold.
    """
    arguments = arguments or {}
    with torch.random.fork_rng(devices=[]):
        if real:
            return factory(**arguments)
        try:
            with _Weightless():
                return factory(**arguments)
        except Exception as error:
            if not _for_want_of_values(error):
                raise
            return factory(**arguments)


def _for_want_of_values(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, may come from reading a tensor on the meta device."""
    if error is None:
        return False
    told = isinstance(error, RuntimeError) or re.search(rf"\b{META.type}\b", str(error)) is not None
    return told or _for_want_of_values(error.__cause__ or error.__context__)


class _Weightless(TorchDispatchMode):
    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # skipping it would import torch._dynamo first, which takes a second

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if args and _is_meta(args[0]) and _changes_values_only(func):
            return args[0]
        if func in _EMPTY or func in _FILLED:
            return func(*args, **(_on_meta(kwargs) if _is_weight(func, args, kwargs) else kwargs))
        if tree_any(_is_meta, (args, kwargs)):
            args, kwargs = tree_map_only(torch.Tensor, lambda tensor: tensor.to(META), (args, kwargs))
        return func(*args, **kwargs)


def _is_meta(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_meta


def _changes_values_only(func: Any) -> bool:
    name = func._schema.name.partition("::")[2]
    return name.endswith("_") and name not in _RESHAPING


def _is_weight(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a factory's result is a floating-point tensor on the CPU, and not initialised, or large."""
    source = args[0] if isinstance(args[0], torch.Tensor) else None
    dtype = kwargs.get("dtype") or (source.dtype if source is not None else torch.get_default_dtype())
    device = kwargs.get("device") or (source.device if source is not None else CPU)
    sizes = args[0] if source is None else args[1]
    return dtype.is_floating_point and device == CPU and (func in _EMPTY or math.prod(sizes) >= LARGE_ELEMS)


def _on_meta(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {**kwargs, "device": META, "pin_memory": False}
