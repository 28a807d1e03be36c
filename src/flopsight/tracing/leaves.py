"""Calls of PyTorch's own modules remembered whole, so that neither their Python nor the dispatcher runs again.

A call is remembered under all that it depends on: the class, its attributes, the metadata of its parameters, buffers
and input, and that the functions which its forward names are still PyTorch's. What a second call might not repeat (work
on constants, writes to the user's tensors) is run each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import getitem, is_, itemgetter
from types import BuiltinFunctionType, FunctionType
from typing import Any, NamedTuple

import torch
import torch.autograd.forward_ad as forward_ad
import torch.nn.functional as F
from torch import nn

from flopsight.tracing.fake import Fake, Metadata, make, metadata_of
from flopsight.tracing.ledger import Ledger
from flopsight.tracing.memo import Composite
from flopsight.tracing.modules import Modules
from flopsight.tracing.reach import ATOMS, names_of
from flopsight.tracing.state import STANDARD

_OURS = ("torch.nn.modules.", "torch.nn.functional")
_PLAIN = (torch.Tensor, nn.Parameter)
_ATOMS = ATOMS | {Metadata, type}
_SPACES = (vars(F), vars(torch), vars(torch._C._nn))


class Kind(NamedTuple):
    """A class of PyTorch's, as its forward reads it: the attributes, and the functions it names, where they stand."""

    forward: FunctionType
    attributes: Callable[[dict[str, Any]], tuple[Any, ...]]
    lists: tuple[str, ...]
    spaces: tuple[Any, ...]
    names: tuple[str, ...]
    functions: tuple[Any, ...]


_KINDS: dict[tuple[type, int], Kind | None] = {}
"""By class and number of attributes; None where calls are not remembered."""


class Leaves:
    """The remembered calls of one run, which is below autograd and computes nothing.

    memo: those of all runs. graded: the grad mode that they hold for.
    """

    def __init__(self, modules: Modules, ledger: Ledger, memo: dict[tuple[Any, ...], Any]) -> None:
        self._held = modules.held
        self._ledger = ledger
        self._memo = memo
        self._graded = torch.is_grad_enabled()

    def call(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a module's forward, as remembered or from running it."""
        key = self._key(module, args) if not kwargs and len(args) == 1 and type(args[0]) is Fake else None
        if key is None or not self._is_plain():
            return module.forward(*args, **kwargs)
        try:
            known: Composite | None = self._memo.get(key)
        except TypeError:  # an attribute of the user's
            return module.forward(*args)
        if known is None:
            return self._run(module, args, key)
        self._ledger.book_here(known.records)
        return make(known.result) if known.argument is None else args[0]

    def _is_plain(self) -> bool:
        """Whether nothing else has a say in what a call runs."""
        return (
            torch.is_grad_enabled() is self._graded
            and torch._C._len_torch_function_stack() == 0
            and torch._C._len_torch_dispatch_stack() == 1
            and not torch._C._is_any_autocast_enabled()
            and forward_ad._current_level < 0
        )

    def _key(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        attributes, cls = module.__dict__, type(module)
        try:
            kind = _KINDS[cls, len(attributes)]
        except KeyError:
            kind = _KINDS[cls, len(attributes)] = _kind(module)
        if kind is None or cls.forward is not kind.forward:
            return None
        if not all(map(is_, map(getitem, kind.spaces, kind.names), kind.functions)):
            return None
        try:
            key: list[Any] = [cls, self._graded, kind.attributes(attributes)]
            key += [tuple(attributes[name]) for name in kind.lists]
        except KeyError:
            return None
        for tensors in (attributes["_parameters"], attributes["_buffers"]):
            for tensor in tensors.values():
                if tensor is None:
                    key.append(None)
                    continue
                held = self._held.get(id(tensor)) if type(tensor) in _PLAIN else None
                if held is None or held.metadata.shape != tensor.shape or held.metadata.dtype is not tensor.dtype:
                    return None
                key.append(held.metadata)
        key.append(metadata_of(args[0]))
        return tuple(key)

    def _run(self, module: nn.Module, args: tuple[Any, ...], key: tuple[Any, ...]) -> Any:
        ledger = self._ledger
        ledger.owner = None
        before = ledger.unrepeatable, len(ledger.notes)
        with ledger.together() as records:
            out = module.forward(*args)
        repeatable = (ledger.unrepeatable, len(ledger.notes)) == before and all(map(_is_atom, key))
        if repeatable and type(out) is Fake:
            self._memo[key] = Composite(records, metadata_of(out), 0 if out is args[0] else None, casts=False)
        return out


def _is_atom(value: Any) -> bool:
    """Whether a part of a key says all there is to say, and keeps nothing of the user's alive."""
    return type(value) in _ATOMS or (type(value) is tuple and all(map(_is_atom, value)))


def _kind(module: nn.Module) -> Kind | None:
    """What calls of this class's modules depend on; None for one that is not PyTorch's, or has modules in it."""
    forward: Any = type(module).forward
    theirs = isinstance(forward, FunctionType) and forward.__module__.startswith(_OURS)
    if not theirs or not type(module).__module__.startswith(_OURS) or module._modules:
        return None
    named = list(_named(forward, type(module)))
    spaces, names = tuple(space for space, _ in named), tuple(name for _, name in named)
    own = sorted(module.__dict__.keys() - STANDARD)
    lists = tuple(name for name in own if type(module.__dict__[name]) is list)
    others = (name for name in own if name not in lists)
    attributes = itemgetter("training", "training", *others)  # of two names at least, so that it gives a tuple
    return Kind(forward, attributes, lists, spaces, names, tuple(map(getitem, spaces, names)))


def _named(forward: FunctionType, cls: type) -> Iterator[tuple[Any, str]]:
    """The functions that a forward names, and those that they name: methods of its class, functions of PyTorch's."""
    spaces = (*(vars(base) for base in cls.__mro__ if base not in (nn.Module, object)), *_SPACES)
    seen: set[Any] = {forward}
    waiting: list[Any] = [forward]
    while waiting:
        for name in names_of(waiting.pop().__code__):
            for space in spaces:
                function = space.get(name)
                written = isinstance(function, FunctionType) and function.__module__.startswith(_OURS)
                if not (written or isinstance(function, BuiltinFunctionType)) or function in seen:
                    continue
                seen.add(function)
                yield space, name
                if written:
                    waiting.append(function)
