"""Runs without autograd under the user's own grad mode, and what in them needs autograd after all.

A forward is run below autograd, which takes half the time. Gradients stay enabled if they are, so that
`torch.is_grad_enabled()` is the user's; whether a tensor of such a run would require a gradient is not known. Code that
asks for it is run again with autograd.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch._functorch import eager_transforms

from flopsight.tracing.constructs.autocast import is_on
from flopsight.tracing.place import active

_TRANSFORMS = ("grad_increment_nesting", "jvp_increment_nesting")
_VIEWS = torch._C.DispatchKeySet(torch._C.DispatchKey.ADInplaceOrView)
_lock = threading.Lock()
_originals: dict[str, Callable[..., Any]] = {}
_watchers = [0]
"""The number of runs, in all threads, that watch the functions of `_TRANSFORMS`."""


class NeedsAutograd(BaseException):
    """Code that runs without autograd wants to know of gradients. No `Exception`: user code is not to catch it."""


def _check() -> None:
    """Raises: NeedsAutograd in a run without autograd whose tensors would require gradients."""
    if getattr(active(), "untracked", False):
        raise NeedsAutograd


def _read(name: str) -> property:
    attribute = getattr(torch.Tensor, name)

    def get(self: AsksAutograd) -> Any:
        if self.graded:
            _check()
        return attribute.__get__(self)

    def set_(self: AsksAutograd, value: Any) -> None:
        _check()
        attribute.__set__(self, value)

    return property(get, set_)


def _method(name: str) -> Callable[..., Any]:
    method = getattr(torch.Tensor, name)

    def call(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        _check()
        return method(self, *args, **kwargs)

    return call


class AsksAutograd:
    """The attributes and methods of a tensor that tell what autograd knows of it.

    graded: whether it may require a gradient, as far as a run without autograd can tell.
    """

    graded: bool = True

    requires_grad = _read("requires_grad")
    grad_fn = _read("grad_fn")
    is_leaf = _read("is_leaf")
    retains_grad = _read("retains_grad")
    output_nr = _read("output_nr")
    requires_grad_ = _method("requires_grad_")
    retain_grad = _method("retain_grad")
    register_hook = _method("register_hook")
    backward = _method("backward")


@contextmanager
def below_autograd(run: Any) -> Iterator[None]:
    """PyTorch hands over its operators before autograd has seen them.

    With gradients off too, a view of what requires a gradient does: an input may be that.
    Raises: NeedsAutograd at the end if a `torch.autograd.Function` was applied, which can tell whether its arguments
    require gradients. Each takes a number, though it makes no node.
    """
    run.untracked = torch.is_grad_enabled() or run.graded
    before: int = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]
    unviewed = torch._C._ExcludeDispatchKeyGuard(_VIEWS)  # it refuses views that `follow` has marked
    with torch._C._AutoDispatchBelowAutograd(), unviewed, _watching_transforms():
        yield
    if run.untracked and torch.autograd._get_sequence_nr() != before:  # type: ignore[attr-defined]
        raise NeedsAutograd


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    def begin(*args: Any, **kwargs: Any) -> Any:
        _check()
        return function(*args, **kwargs)

    return begin


@contextmanager
def _watching_transforms() -> Iterator[None]:
    """`torch.func.grad` and its like would find that nothing requires a gradient, and return zeros."""
    with _lock:
        if not _watchers[0]:
            for name in _TRANSFORMS:
                _originals[name] = getattr(eager_transforms, name)
                setattr(eager_transforms, name, _checked(_originals[name]))
        _watchers[0] += 1
    try:
        yield
    finally:
        with _lock:
            _watchers[0] -= 1
            if not _watchers[0]:
                for name, original in _originals.items():
                    setattr(eager_transforms, name, original)


def follow(out: Any, args: tuple[Any, ...], *, view: bool = False) -> Any:
    """Mark what was really made of the user's tensors, in a run without autograd, as requiring what they require.

    A view requires that with gradients off too. Not under autocast, which would keep what looks like a parameter.
    """
    if not view and not (getattr(active(), "untracked", False) and torch.is_grad_enabled()):
        return out
    if is_on():
        return out
    if any(isinstance(arg, torch.Tensor) and arg.requires_grad for arg in args):
        for made in out if isinstance(out, (list, tuple)) else (out,):
            if isinstance(made, torch.Tensor) and (made.is_floating_point() or made.is_complex()):
                made.requires_grad = True
    return out


def decides(packet: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The tensor whose `requires_grad` decides which operators a composite operator is made of; None if none does.

    Singular values and eigenvalues come with their vectors if the matrix does. Attention takes its plain path if the
    mask requires a gradient. A product with a matrix is folded into one of two matrices if the matrix does, or if no
    copy is needed for it.
    """
    if packet == "aten::scaled_dot_product_attention":
        mask = args[3] if len(args) > 3 else kwargs.get("attn_mask")
        return mask if mask is not None and mask.is_floating_point() else None
    if packet in ("aten::linalg_svdvals", "aten::linalg_eigvalsh"):
        return args[0]
    if packet != "aten::matmul":
        return None
    first, second = args
    small, large = (second, first) if first.ndim >= second.ndim else (first, second)
    if small.ndim > 2 or large.ndim < 3 or (large is first and first.is_contiguous()):
        return None
    return small


def refuse_unknown(decisive: Any) -> None:
    """Raises: NeedsAutograd for a stand-in of which it is not known whether it would require a gradient."""
    if isinstance(decisive, AsksAutograd) and decisive.graded:
        _check()
