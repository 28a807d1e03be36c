"""What is reachable from a model and its arguments without being a module's: containers, plain objects, functions.

Followed are containers, the attributes and slots of objects, of their classes, and what functions close over and name.
Objects of the standard library, of PyTorch and of NumPy are not entered, but for those that hold a user's state.
"""

from __future__ import annotations

import functools
import random
import sys
import types
from argparse import Namespace
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from flopsight.tracing.untouched import putting_back
from flopsight.tracing.untouched.others import numpy_random

_PLAIN = (int, float, bool, str, bytes, complex, type(None), range, slice, types.ModuleType, types.BuiltinFunctionType)
ATOMS = frozenset([*_PLAIN, torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format])
"""Types of values that lead nowhere."""
MOST = 100_000
"""Objects that are followed, the nearest first: a data set that hangs on a model is not read to the end."""

Read = TypeVar("Read")
_LRU = functools._lru_cache_wrapper
_LIBRARIES = ("torch", "numpy", "flopsight")
_ENTERED = ("torch.optim", "torch.amp", "torch.cuda.amp")
"""Where PyTorch's own classes are whose objects hold a training loop's state: schedulers, gradient scalers."""
_CONTAINERS = (dict, list, set, deque)


class Reached:
    """What was reached, and how to put it back.

    module, tensor: what is done with a module (it returns whether to go on from there), and with a tensor.
    What is reached through a function is put back lightly: see `putting_back`.
    """

    def __init__(self, module: Callable[[nn.Module], bool], tensor: Callable[[torch.Tensor], None]) -> None:
        self._module = module
        self._tensor = tensor
        self._seen: tuple[dict[int, Any], dict[int, Any]] = ({}, {})
        self._waiting: tuple[deque[Any], deque[Any]] = (deque(), deque())
        self._classes: set[tuple[type, bool]] = set()
        self._functions: set[Any] = set()
        self._undo: list[Callable[[], Any]] = []
        self._lightly = False

    def add(self, value: Any) -> None:
        """A value to be followed by the next walk."""
        self._add(value, lightly=self._lightly)

    def _add(self, value: Any, *, lightly: bool) -> None:
        if type(value) in ATOMS or id(value) in self._seen[0] or (lightly and id(value) in self._seen[1]):
            return
        self._seen[lightly][id(value)] = value
        self._waiting[lightly].append(value)

    def _add_all(self, values: Iterable[Any], *, lightly: bool | None = None) -> None:
        for value in values:
            self._add(value, lightly=self._lightly if lightly is None else lightly)

    def walk(self) -> None:
        """Follow what was added, what belongs to the model and its arguments first."""
        firmly, lightly = self._waiting
        while (firmly or lightly) and len(self._seen[0]) + len(self._seen[1]) < MOST:
            self._lightly = not firmly
            self._visit((firmly or lightly).popleft())
        self._lightly = False
        firmly.clear()
        lightly.clear()

    def _visit(self, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            self._tensor(value)
        elif isinstance(value, _CONTAINERS):
            self._container(value)
        elif isinstance(value, (tuple, frozenset)):
            self._add_all(value)
        elif isinstance(value, (nn.Module, Optimizer)):
            self._lightly = False
            if isinstance(value, nn.Module):
                if self._module(value):
                    self._add_all(value._modules.values())
            else:
                self.add(value.__dict__)
        elif isinstance(value, types.FunctionType):
            self._function(value, None)
        elif isinstance(value, _LRU):
            self._undo.append(partial(putting_back.empty_cache, value, value.cache_info().misses))
            self.add(value.__wrapped__)
        elif isinstance(value, types.MethodType):
            self._add_all((value.__self__, value.__func__))
        elif isinstance(value, functools.partial):
            self._add_all((value.func, value.args, value.keywords))
        elif isinstance(value, type):
            self.add_class(value)
        elif not self._generator(value):
            self._object(value)

    def _container(self, value: Any) -> None:
        before: Any
        if isinstance(value, dict):
            kind: Any = OrderedDict if isinstance(value, OrderedDict) else dict
            before = dict(kind.items(value))
            self._add_all(before.values())
        else:
            before = set(value) if isinstance(value, set) else list(value)
            self._add_all(before)
        self._undo.append(partial(putting_back.container, value, before, lightly=self._lightly))

    def _generator(self, value: Any) -> bool:
        """Note the state of a source of random numbers; whether the value is one."""
        numpy = numpy_random()
        if isinstance(value, torch.Generator):
            self._undo.append(partial(value.set_state, value.get_state()))
        elif isinstance(value, random.Random) and not isinstance(value, random.SystemRandom):
            self._undo.append(partial(value.setstate, value.getstate()))
        elif numpy is not None and isinstance(value, numpy.Generator):
            self._undo.append(partial(setattr, value.bit_generator, "state", value.bit_generator.state))
        elif numpy is not None and isinstance(value, numpy.RandomState):
            self._undo.append(partial(value.set_state, value.get_state()))
        else:
            return False
        return True

    def _object(self, value: Any) -> None:
        kind = type(value)
        if is_foreign(kind) and not isinstance(value, (types.SimpleNamespace, Namespace)):
            return
        if any(str(cls.__module__).startswith(_ENTERED) for cls in kind.__mro__):
            self._lightly = False
        try:
            attributes = object.__getattribute__(value, "__dict__")
        except AttributeError:
            attributes = None
        if type(attributes) is dict:
            self.add(attributes)
        for descriptor in slots_of(kind):
            before = putting_back.slot(value, descriptor)
            self._undo.append(partial(putting_back.set_slot, value, descriptor, before, lightly=self._lightly))
            self.add(before)
        self.add_class(kind)

    def add_class(self, kind: type) -> None:
        """Note the attributes of a class and of its bases, and follow what its `forward` calls."""
        if (kind, self._lightly) in self._classes:
            return
        for cls in kind.__mro__:
            if (cls, self._lightly) in self._classes:
                continue
            self._classes.add((cls, self._lightly))
            if is_foreign(cls):
                continue
            before = putting_back.attributes_of(cls)
            self._undo.append(partial(putting_back.set_class, cls, before, lightly=self._lightly))
            for item in before.values():
                item = item.__func__ if isinstance(item, (staticmethod, classmethod)) else item
                if isinstance(item, (*_CONTAINERS, torch.Tensor, _LRU)):
                    self.add(item)
            for name in ("forward", "__call__"):
                method = vars(cls).get(name)
                if isinstance(method, types.FunctionType):
                    self._function(method, cls)

    def _function(self, function: types.FunctionType, owner: type | None) -> None:
        """Follow what a function closes over, its defaults, and the globals that it and its owner's methods name."""
        if function in self._functions or is_foreign(function):
            return
        self._functions.add(function)
        for cell in function.__closure__ or ():
            contents = putting_back.cell_contents(cell)
            self._undo.append(partial(putting_back.set_cell, cell, contents))
            self._add(contents, lightly=True)
        self._add_all(function.__defaults__ or (), lightly=True)
        self._add_all((function.__kwdefaults__ or {}).values(), lightly=True)
        variables = function.__globals__
        for name in names_of(function.__code__):
            value = variables.get(name, putting_back.MISSING)
            if value is not putting_back.MISSING and type(value) is not types.ModuleType:
                self._undo.append(partial(putting_back.set_name, variables, name, value))
                self._add(value, lightly=True)
            method = vars(owner).get(name) if owner is not None else None
            if isinstance(method, types.FunctionType):
                self._function(method, owner)

    def restore(self) -> None:
        """Put everything back."""
        for undo in self._undo:
            undo()

    def forget(self) -> None:
        """Let go of everything."""
        del self._module, self._tensor
        for held in (*self._seen, self._undo, self._functions, self._classes):
            held.clear()


def is_foreign(value: Any) -> bool:
    """Whether a class or function is one of the standard library, of PyTorch, of NumPy or of flopsight."""
    module = value.__module__
    if type(module) is not str:
        return True
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or (top in _LIBRARIES and not module.startswith(_ENTERED))


def for_code(read: Callable[[types.CodeType], Read]) -> Callable[[types.CodeType], Read]:
    """What is read of code, remembered by `id`: code is slow to hash."""
    found: dict[int, tuple[types.CodeType, Read]] = {}

    @functools.wraps(read)
    def remembered(code: types.CodeType) -> Read:
        known = found.get(id(code))
        if known is None:
            if len(found) > 4096:
                found.clear()
            known = found[id(code)] = (code, read(code))
        return known[1]

    return remembered


@for_code
def names_of(code: types.CodeType) -> tuple[str, ...]:
    """The globals and attributes that a function's code names, those of functions inside it too."""
    inner = [name for item in code.co_consts if isinstance(item, types.CodeType) for name in names_of(item)]
    return tuple(dict.fromkeys([*code.co_names, *inner]))


def slots_of(kind: type) -> Iterator[Any]:
    """The slots of a class and of its bases, as descriptors."""
    for cls in kind.__mro__:
        if not is_foreign(cls):
            yield from (item for item in vars(cls).values() if isinstance(item, types.MemberDescriptorType))
