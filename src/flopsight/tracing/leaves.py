"""Calls of PyTorch's own modules remembered whole, so that neither their Python nor the dispatcher runs again.

A call is remembered under all that it depends on: the class, its attributes, the metadata of its parameters, buffers
and input, and that the functions which its forward names are still PyTorch's. What a second call might not repeat (work
on constants, writes to the user's tensors) is run each time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from operator import itemgetter
from types import BuiltinFunctionType, FunctionType
from typing import Any, NamedTuple

import torch
import torch.autograd.forward_ad as forward_ad
import torch.nn.functional as F
from torch import nn

from flopsight.calls import Operation
from flopsight.tracing.fake import Fake, make, metadata_of
from flopsight.tracing.inventory import Holding, seen_of
from flopsight.tracing.ledger import Ledger
from flopsight.tracing.memo import Composite
from flopsight.tracing.metadata import Metadata
from flopsight.tracing.modules import Known, Modules
from flopsight.tracing.parts import Parts
from flopsight.tracing.untouched.contents import STANDARD
from flopsight.tracing.untouched.reach import ATOMS, names_of

_OURS = ("torch.nn.modules.", "torch.nn.functional")
_ATOMS = ATOMS | {Metadata, type}
_READERS = (nn.MultiheadAttention,)
"""Classes of modules that read the parameters of others, and call none."""
_NAMED = re.compile(r"_get_(?!default).*(sdp|enabled|deterministic|benchmark).*")
SWITCHES = [read for name, read in vars(torch._C).items() if _NAMED.fullmatch(name)]
"""What tells of PyTorch's global switches, that attention goes by and others."""
_SPACES = (vars(F), vars(torch), vars(torch._C._nn))
_BESIDE = ("builtins", "collections", "typing", "typing_extensions")
"""Whose classes PyTorch names beside its functions."""


class Kind(NamedTuple):
    """A class of PyTorch's, as its forward reads it: its attributes, and functions by where they stand."""

    forward: FunctionType
    attributes: Callable[[dict[str, Any]], tuple[Any, ...]]
    lists: tuple[str, ...]
    functions: tuple[tuple[Any, Callable[[Any], Any], Any], ...]


_KINDS: dict[tuple[type, int], Kind | None] = {}
"""By class and number of attributes; None where calls are not remembered."""


class Leaves:
    """The remembered calls of one run, which is below autograd and computes nothing.

    memo: those of all runs. parts: tells what some run, without running it. graded: the grad mode that they hold for.
    """

    def __init__(self, modules: Modules, ledger: Ledger, memo: dict[tuple[Any, ...], Any], parts: Parts | None) -> None:
        self._met = modules.met
        self._ledger = ledger
        self._memo = memo
        self._parts = parts
        self._graded = torch.is_grad_enabled()

    def call(self, known: Known, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a module's forward, as remembered or from running it."""
        kind = _kind_of(known.module)
        if kind is not None and self.is_plain():
            if len(args) == 1 and not kwargs and type(args[0]) is Fake:
                given: Any = args[0].metadata or metadata_of(args[0])
            else:
                given = _given(args, kwargs)
            key = self._key(kind, known, given)
            if key is not None:
                return self._remembered(known, args, kwargs, key)
        return known.forward(args, kwargs)

    def _remembered(self, known: Known, args: tuple[Any, ...], kwargs: dict[str, Any], key: tuple[Any, ...]) -> Any:
        try:
            call: Composite | None = self._memo.get(key)
        except TypeError:  # an attribute of the user's
            return known.forward(args, kwargs)
        if call is None and (call := self._told(known, args, kwargs, key)) is None:
            return self._run(known, args, kwargs, key)
        if call.owners is None:
            self._ledger.book_here(call.records)
        else:
            self._book(call.records, call.owners, known.module)
        if call.argument is not None:
            return (*args, *kwargs.values())[call.argument]
        result = call.result
        return make(result) if isinstance(result, Metadata) else tuple([of and make(of) for of in result])

    def _told(
        self, known: Known, args: tuple[Any, ...], kwargs: dict[str, Any], key: tuple[Any, ...]
    ) -> Composite | None:
        """What a call runs, where that is known without running it."""
        if self._parts is None or len(args) != 1 or kwargs or type(args[0]) is not Fake:
            return None
        _, attributes, *_ = key[0]
        if not _is_atom(attributes):
            return None
        call = self._parts.layer(known, metadata_of(args[0]))
        if call is not None:
            self._memo[key] = call
        return call

    def is_plain(self) -> bool:
        """Whether nothing else has a say in what a call runs."""
        return (
            torch.is_grad_enabled() is self._graded
            and torch._C._len_torch_function_stack() == 0
            and torch._C._len_torch_dispatch_stack() == 1
            and not torch._C._is_any_autocast_enabled()
            and forward_ad._current_level < 0
        )

    def _key(self, kind: Kind, known: Known, given: Any) -> tuple[Any, ...] | None:
        """All that a call of a module depends on, with what those in it are; None where that is not known."""
        held = _held(kind, known.module, known.holding)
        if held is None:
            return None
        if not known.module._modules:
            return held, self._graded, given
        inside = []
        for module in known.module._modules.values():
            if module is not None:
                of, child = _kind_of(module), self._met.get(id(module))
                if of is None or child is None or (holds := _held(of, module, child.holding)) is None:
                    return None
                inside.append(holds)
        return held, self._graded, given, tuple(inside), str([switch() for switch in SWITCHES])

    def _run(self, known: Known, args: tuple[Any, ...], kwargs: dict[str, Any], key: tuple[Any, ...]) -> Any:
        ledger = self._ledger
        ledger.owner = owners = None
        before, start = (ledger.unrepeatable, len(ledger.notes)), len(ledger.calls)
        records: list[Operation] | None
        if not known.module._modules:
            with ledger.together() as records:
                out = known.forward(args, kwargs)
        else:
            out = known.forward(args, kwargs)
            records, owners = self._booked_since(start, known.module)
        repeatable = (ledger.unrepeatable, len(ledger.notes)) == before and _is_atom(key)
        result = _form(out, values := (*args, *kwargs.values()))
        if records is not None and repeatable and result is not None:
            argument = next((place for place, value in enumerate(values) if value is out), None)
            self._memo[key] = Composite(records, result, argument, casts=False, owners=owners)
        return out

    def _booked_since(self, start: int, module: nn.Module) -> tuple[list[Operation] | None, list[str | None]]:
        """What was booked, and which of the modules in `module` each is booked for, None for itself."""
        if self._ledger.gathered is not None:
            return None, []
        scopes, calls = self._ledger.scopes.scopes, self._ledger.calls[start:]
        names = {self._met[id(each)].node.path: name for name, each in module._modules.items() if each is not None}
        return [record for record, _, _ in calls], [names.get(scopes[scope].path) for _, scope, _ in calls]

    def _book(self, records: list[Operation], owners: list[str | None], module: nn.Module) -> None:
        for record, owner in zip(records, owners, strict=True):
            self._ledger.owner = None if owner is None else self._met[id(module._modules[owner])].node.path
            self._ledger.book(record)


def _given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What is known of several arguments, and which of the tensors are the same one."""
    values = (*args, *kwargs.values())
    form = [value.metadata or metadata_of(value) if type(value) is Fake else (type(value), value) for value in values]
    fakes = [id(value) for value in values if type(value) is Fake]
    return tuple(form), tuple(kwargs), tuple(map(fakes.index, fakes))


def _form(out: Any, given: tuple[Any, ...]) -> Any:
    """The metadata of a result, or of those in a tuple if they are new and different tensors."""
    if type(out) is Fake:
        return metadata_of(out)
    if type(out) is not tuple or not all(item is None or type(item) is Fake for item in out):
        return None
    new = [id(item) for item in out if item is not None]
    if len(set(new)) < len(new) or not set(new).isdisjoint(map(id, given)):
        return None
    return tuple(None if item is None else metadata_of(item) for item in out)


def _held(kind: Kind, module: nn.Module, holding: Holding) -> tuple[Any, ...] | None:
    """The part of a key that says what a module is: its class, its attributes, and what is known of its tensors.

    None where its forward is not PyTorch's, or runs what is not.
    """
    attributes, cls = module.__dict__, type(module)
    if cls.forward is not kind.forward:
        return None
    for space, named, functions in kind.functions:
        if named(space) != functions:
            return None
    if attributes["_parameters"] or attributes["_buffers"]:
        tensors = (*attributes["_parameters"].values(), *attributes["_buffers"].values())
        if tuple(map(id, tensors)) != holding.ids:
            return None
        there = tensors if len(holding.seen) == len(tensors) else [tensor for tensor in tensors if tensor is not None]
        if tuple(map(seen_of, there)) != holding.seen:
            return None
    elif holding.ids:
        return None
    try:
        own = kind.attributes(attributes)
        if kind.lists:
            own += tuple([tuple(attributes[name]) for name in kind.lists])
        return cls, own, holding.metadata, holding.trainable
    except KeyError:
        return None


def _is_atom(key: tuple[Any, ...]) -> bool:
    """Whether a part of a key says all there is to say, and keeps nothing of the user's alive."""
    for value in key:
        kind = type(value)
        if kind not in _ATOMS and (kind is not tuple or not _is_atom(value)):
            return False
    return True


def _kind_of(module: nn.Module) -> Kind | None:
    """What calls of this class's modules depend on; None for one that is not PyTorch's, or calls modules."""
    key = type(module), len(module.__dict__)
    try:
        return _KINDS[key]
    except KeyError:
        found = _KINDS[key] = _kind(module)
        return found


def _kind(module: nn.Module) -> Kind | None:
    forward: Any = type(module).forward
    theirs = isinstance(forward, FunctionType) and forward.__module__.startswith(_OURS)
    calls_modules = module._modules and type(module) not in _READERS
    if not theirs or not type(module).__module__.startswith(_OURS) or calls_modules:
        return None
    named: dict[int, tuple[Any, list[str]]] = {}
    for space, name in named_functions(forward, type(module)):
        if is_others(space[name]):
            return None
        named.setdefault(id(space), (space, []))[1].append(name)
    functions = tuple((space, itemgetter(*names), itemgetter(*names)(space)) for space, names in named.values())
    own = sorted(module.__dict__.keys() - STANDARD)
    if any(callable(getattr(type(module), name, None)) for name in own):  # a method of this module alone
        return None
    lists = tuple(name for name in own if type(module.__dict__[name]) is list)
    others = (name for name in own if name not in lists)
    attributes = itemgetter("training", "training", *others)  # of two names at least, so that it gives a tuple
    return Kind(forward, attributes, lists, functions)


def named_functions(forward: FunctionType, cls: type) -> Iterator[tuple[Any, str]]:
    """The functions that a forward names, and those that they name: methods of its class, functions of PyTorch's, and
    whatever stands in the place of one.
    """
    spaces = (*(vars(base) for base in cls.__mro__ if base not in (nn.Module, object)), *_SPACES)
    seen: list[Any] = [forward]
    waiting: list[Any] = [forward]
    while waiting:
        for name in names_of(waiting.pop().__code__):
            for space in spaces:
                function = space.get(name)
                written = isinstance(function, FunctionType)
                if not (written or isinstance(function, BuiltinFunctionType) or is_others(function)):
                    continue
                if any(function is known for known in seen):
                    continue
                seen.append(function)
                yield space, name
                if written and function.__module__.startswith(_OURS):
                    waiting.append(function)


def is_others(value: Any) -> bool:
    """Whether something that can be called, found among PyTorch's functions, was put there by someone else."""
    if not callable(value):
        return False
    top = str(getattr(value, "__module__", None)).partition(".")[0]
    return top != "torch" and (isinstance(value, BuiltinFunctionType) or top not in _BESIDE)
