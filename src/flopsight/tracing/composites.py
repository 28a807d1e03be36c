"""Composite operators that are made of other parts while a dispatch mode is on, or read memory past it.

`svdvals` and `eigvalsh`, and what is made with them (`matrix_norm`, `matrix_rank`, `cond`), work out vectors too where
a gradient may need them, and for tensors that PyTorch cannot look into: any, under a dispatch mode. Here they are as
without one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch._ops import OpOverload

from flopsight.tracing.deferred import Deferred, valued
from flopsight.tracing.fake import Fake
from flopsight.tracing.place import active

_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
_OURS = (torch.Tensor, torch.nn.Parameter, Fake, Deferred)
_lock = threading.Lock()
_runs = [0]
"""The number of runs, in all threads, that have these operators replaced."""
_replaced = ExitStack()


def _svdvals(self: torch.Tensor, *, driver: str | None = None) -> Any:
    return torch.ops.aten._linalg_svd.default(self, False, False, driver=driver)[1]


def _eigvalsh(self: torch.Tensor, UPLO: str = "L") -> Any:
    return torch.ops.aten._linalg_eigh.default(self, UPLO, False)[0]


_WITHOUT_MODE: dict[OpOverload, Callable[..., Any]] = {
    torch.ops.aten.linalg_svdvals.default: _svdvals,
    torch.ops.aten.linalg_eigvalsh.default: _eigvalsh,
}
_READING = {torch.ops.aten.ctc_loss.Tensor, torch.ops.aten.tensor_split.tensor_indices_or_sections}
"""Operators that read lengths and positions from memory."""


def take_apart(func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a composite operator from its parts.

    Raises: NeedsAutograd where the parts depend on a gradient that is not known to be required.
    """
    if func in _READING:
        args, kwargs = valued(args), {name: valued(value) for name, value in kwargs.items()}
    parts = _WITHOUT_MODE.get(func)
    plain = parts is not None and type(args[0]) in _OURS and forward_ad._current_level < 0
    if parts is not None and plain and not (torch.is_grad_enabled() and args[0].requires_grad):
        return parts(*args, **kwargs)
    return func._op_dk(_COMPOSITE, *args, **kwargs)  # not `decompose`: it prefers other code in Python


def _kernel(func: OpOverload) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        if active() is None:
            return func._op_dk(_COMPOSITE, *args, **kwargs)
        return take_apart(func, args, kwargs)

    return run


@contextmanager
def as_without_a_mode() -> Iterator[None]:
    """With autograd, PyTorch takes composite operators apart before a mode sees them: it then asks `take_apart`."""
    with _lock:
        if not _runs[0]:
            library = _replaced.enter_context(torch.library._scoped_library("aten", "IMPL"))
            for func in (*_WITHOUT_MODE, *_READING):
                for key in ("AutogradCPU", "AutogradCUDA"):
                    library.impl(func, _kernel(func), key)
        _runs[0] += 1
    try:
        yield
    finally:
        with _lock:
            _runs[0] -= 1
            if not _runs[0]:
                _replaced.close()
