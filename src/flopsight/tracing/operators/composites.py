"""Composite operators that are made of other parts while a dispatch mode is on, or read memory past it.

`svdvals` and `eigvalsh`, and what is made with them (`matrix_norm`, `matrix_rank`, `cond`), work out vectors too where
a gradient may need them, and for tensors that PyTorch cannot look into: any, under a dispatch mode. `one_hot` compares
each class with such tensors, in place of checking the classes and setting one element for each. Here they are as
without one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch._ops import OpOverload
from torch.torch_version import TorchVersion

from flopsight.formulas.registry import REGISTRY
from flopsight.tracing.fake import Fake
from flopsight.tracing.operators.one_device import COMPARING, on_one_device
from flopsight.tracing.operators.operation import info_of, is_taken_apart
from flopsight.tracing.place import active
from flopsight.tracing.values.by_values import taken_for
from flopsight.tracing.values.deferred import Deferred, valued

_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
_OURS = (torch.Tensor, torch.nn.Parameter, Fake, Deferred)
_IN_ONE_PASS = TorchVersion(torch.__version__) >= "2.10"
"""Whether `one_hot` looks for the least and the largest class in one pass, as 2.13 does, or in two, as 2.9 does."""
_lock = threading.Lock()
_runs = [0]
"""The number of runs, in all threads, that have these operators replaced."""
_replaced = ExitStack()


def _svdvals(self: torch.Tensor, *, driver: str | None = None) -> Any:
    return torch.ops.aten._linalg_svd.default(self, False, False, driver=driver)[1]


def _eigvalsh(self: torch.Tensor, UPLO: str = "L") -> Any:
    return torch.ops.aten._linalg_eigh.default(self, UPLO, False)[0]


def _one_hot(self: torch.Tensor, num_classes: int = -1) -> Any:
    if type(self) is not Fake or num_classes < 1 or self.numel() == 0:
        return torch.ops.aten.one_hot.default._op_dk(_COMPOSITE, self, num_classes)
    if self.device.type == "cpu":
        with taken_for(0):
            for bound in torch.aminmax(self) if _IN_ONE_PASS else (self.min(), self.max()):
                bound.item()
    out = torch.zeros((*self.shape, num_classes), dtype=self.dtype, device=self.device)
    return out.scatter_(-1, self.unsqueeze(-1), 1)


_WITHOUT_MODE: dict[OpOverload, Callable[..., Any]] = {
    torch.ops.aten.linalg_svdvals.default: _svdvals,
    torch.ops.aten.linalg_eigvalsh.default: _eigvalsh,
    torch.ops.aten.one_hot.default: _one_hot,
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
    if parts is not None and type(args[0]) in _OURS and forward_ad._current_level < 0:
        differentiable = args[0].is_floating_point() or args[0].is_complex()
        if not (differentiable and torch.is_grad_enabled() and args[0].requires_grad):
            return parts(*args, **kwargs)
    return on_one_device(partial(func._op_dk, _COMPOSITE), args, kwargs)  # not `decompose`: it prefers code in Python


def _kernel(func: OpOverload) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        scopes = active()
        if scopes is None or scopes.dispatcher is None:
            return func._op_dk(_COMPOSITE, *args, **kwargs)
        parts = partial(take_apart, func, args, kwargs)
        return parts() if is_taken_apart(info_of(func)) else scopes.dispatcher.book_whole(func, args, kwargs, parts)

    return run


def _counted_whole() -> Iterator[OpOverload]:
    """The composite operators with a formula of the user's."""
    no_operators = {formula.operator for formula in REGISTRY.targets.values()}
    for formula in REGISTRY.formulas.values():
        if formula.source == "user" and formula.operator not in no_operators:
            namespace, _, name = formula.operator.partition("::")
            packet, _, overload = name.partition(".")
            found = getattr(getattr(torch.ops, namespace), packet, None)
            for each in found.overloads() if found is not None else ():
                if each == (overload or each) and info_of(getattr(found, each)).composite:
                    yield getattr(found, each)


@contextmanager
def as_without_a_mode() -> Iterator[None]:
    """With autograd, PyTorch takes composite operators apart before a mode sees them: it then asks `take_apart`, and
    has those with a formula of the user's booked whole.
    """
    with _lock:
        if not _runs[0]:
            _replace()
        _runs[0] += 1
    try:
        yield
    finally:
        with _lock:
            _runs[0] -= 1
            if not _runs[0]:
                _replaced.close()


def _replace() -> None:
    whole = set(_counted_whole())
    on_one = {*_WITHOUT_MODE, *_READING, *whole}
    namespaces = {"aten", *(func.namespace for func in whole)}
    libraries = {name: _replaced.enter_context(torch.library._scoped_library(name, "IMPL")) for name in namespaces}
    for key, functions in {"AutogradCPU": on_one, "AutogradCUDA": on_one, "AutogradMeta": {*COMPARING, *whole}}.items():
        for func in functions:
            libraries[func.namespace].impl(func, _kernel(func), key)
