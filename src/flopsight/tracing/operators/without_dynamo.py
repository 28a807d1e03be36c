"""PyTorch's meta kernels without the import of `torch._dynamo`.

Most meta kernels written in Python are wrapped so that Dynamo does not trace into them; the wrapper imports Dynamo to
ask for that (`torch._compile._disable_dynamo`), which takes a second and replaces `torch.manual_seed`. As long as
nobody has imported Dynamo there is nothing to keep out: the wrappers are given, where they look for what Dynamo would
have answered, the function itself. Once Dynamo is there, each asks as PyTorch means it to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from types import FunctionType
from typing import Any

from torch._compile import _disable_dynamo

_DYNAMO = "torch._dynamo"
_ANSWER = "__dynamo_disable"
_HOMES = ("torch._refs", "torch._decomp", "torch._prims", "torch._meta_registrations")


@cache
def prepare() -> None:
    """See to it that PyTorch's Python kernels import no Dynamo; once a process."""
    if _DYNAMO in sys.modules:
        return
    wrapper = _disable_dynamo(prepare).__code__
    for kernel in _kernels():
        if kernel.__code__ is wrapper:
            function = _closure(kernel)["fn"]
            if not hasattr(function, _ANSWER):
                setattr(function, _ANSWER, _undisturbed(kernel, function))


def _kernels() -> Iterator[FunctionType]:
    """Every function of PyTorch's Python kernels, and those that it wraps."""
    homes = [vars(module) for name, module in sys.modules.items() if name.startswith(_HOMES)]
    tables = [value for home in homes for value in home.values() if isinstance(value, dict)]
    waiting = [value for found in (*homes, *tables) for value in list(found.values())]
    seen: set[int] = set()
    while waiting:
        kernel = waiting.pop()
        if isinstance(kernel, FunctionType) and id(kernel) not in seen:
            seen.add(id(kernel))
            waiting += _closure(kernel).values()
            yield kernel


def _closure(function: FunctionType) -> dict[str, Any]:
    """The variables of the functions around it that `function` holds; those that have a value."""
    held = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # the cell is empty
            held[name] = cell.cell_contents
    return held


def _undisturbed(wrapper: FunctionType, function: FunctionType) -> Callable[..., Any]:
    """What `wrapper` calls in place of Dynamo's answer about `function`, until there is Dynamo."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if _DYNAMO not in sys.modules:
            return function(*args, **kwargs)
        function.__dict__.pop(_ANSWER, None)
        return wrapper(*args, **kwargs)

    call._torchdynamo_disable = True  # type: ignore[attr-defined]  # as Dynamo marks what it is not to trace
    return call
