"""What a run may leave its marks in, as it was: attributes of modules and objects, containers, caches, generators."""

from __future__ import annotations

import sys
from collections import OrderedDict
from itertools import chain, filterfalse, islice
from operator import is_, itemgetter, methodcaller
from typing import Any

import torch
from torch import nn

from flopsight.tracing import putting_back
from flopsight.tracing.distributed import WrapperState
from flopsight.tracing.gradients import Gradients
from flopsight.tracing.reach import ATOMS, Reached

STANDARD = frozenset(nn.Module().__dict__)
"""The attributes that every module has: flags, and containers of parameters, modules and hooks."""
_NAMES = tuple(name for name, value in nn.Module().__dict__.items() if isinstance(value, dict))
_dictionaries_of = itemgetter(*_NAMES)
_tensors_of = itemgetter("_parameters", "_buffers")
_values_of = methodcaller("values")  # in the order of an OrderedDict, which `dict.values` does not know
_KINDS = {dict, OrderedDict, set}
_OWN: dict[tuple[type, int], tuple[str, ...]] = {}
"""By class and number of attributes: the names of those that not every module has."""


def _own_of(cls: type, attributes: dict[str, Any]) -> tuple[Any, ...]:
    """The attributes of a module that not every module has."""
    names = _OWN.get((cls, len(attributes)))
    if names is not None:
        try:
            return tuple([attributes[name] for name in names])
        except KeyError:  # as many, but others
            pass
    names = _OWN[cls, len(attributes)] = tuple(attributes.keys() - STANDARD)
    return tuple([attributes[name] for name in names])


class Dictionaries:
    """Many dictionaries, to be put back: what they hold one after the other, so that the whole is compared at once.

    Those that are empty, and sets that are, are to be empty again.
    """

    def __init__(self) -> None:
        self._all: list[dict[Any, Any]] = []
        self._empty: list[Any] = []
        self._lengths: list[int] = []
        self._keys: list[Any] = []
        self._values: list[Any] = []

    def add(self, dictionaries: list[Any]) -> None:
        """Note what dictionaries hold; a scripted module has other containers, of its own, which are left out."""
        if not _KINDS.issuperset(map(type, dictionaries)):
            dictionaries = [value for value in dictionaries if isinstance(value, (dict, set))]
        filled = list(filter(None, dictionaries))
        self._empty += filterfalse(None, dictionaries)
        self._all += filled
        self._lengths += map(len, filled)
        self._keys += chain.from_iterable(filled)
        self._values += chain.from_iterable(map(_values_of, filled))

    def restore(self) -> None:
        """Put back those that changed."""
        if any(self._empty):
            for value in self._empty:
                value.clear()
        values = list(chain.from_iterable(map(_values_of, self._all)))
        same = (
            len(values) == len(self._values)
            and all(map(is_, values, self._values))
            and list(map(len, self._all)) == self._lengths
            and all(map(is_, chain.from_iterable(self._all), self._keys))
        )
        if same:
            return
        keys, before = iter(self._keys), iter(self._values)
        for value, length in zip(self._all, self._lengths, strict=True):
            held = dict(zip(islice(keys, length), islice(before, length), strict=True))
            putting_back.container(value, held)


class ModuleState:
    """What modules hold, and what is reachable from them, to be put back.

    gradients: those of the leaves met. tensors: the tensors reached, whose values are to be put back if they are
    written. wrappers: what the wrappers for several processes keep beside them.
    """

    def __init__(self) -> None:
        self.gradients = Gradients()
        self.tensors: list[torch.Tensor] = []
        self._dictionaries = Dictionaries()
        self._modules: list[nn.Module] = []
        self._new: list[Any] = []
        self._sets: list[tuple[set[Any], set[Any]]] = []
        self.wrappers = WrapperState()
        self._kept: set[int] = set()
        self._reached = Reached(self.keep, self._tensor)
        parametrize = sys.modules.get("torch.nn.utils.parametrize")
        if parametrize is not None:
            self._reached.add(parametrize._cache)

    def keep(self, *modules: nn.Module) -> bool:
        """Note the attributes of modules, what they lead to by the next `walk`; whether any was new."""
        new = [module for module in modules if id(module) not in self._kept]
        self._kept.update(map(id, new))
        attributes = list(map(vars, new))
        self._new += attributes
        try:
            self._new += list(chain.from_iterable(map(_dictionaries_of, attributes)))
        except KeyError:  # a module that was made without nn.Module's constructor
            self._new += [each[name] for each in attributes for name in _NAMES if name in each]
        for each in attributes:
            names = each.get("_non_persistent_buffers_set")
            if names:
                self._sets.append((names, names.copy()))
            elif names is not None:
                self._new.append(names)
        own = chain.from_iterable(map(_own_of, map(type, new), attributes))
        for value in [value for value in own if type(value) not in ATOMS]:
            if type(value) is not tuple or not ATOMS.issuperset(map(type, value)):
                self._reached.add(value)
        for tensors in filter(None, chain.from_iterable(map(_tensors_of, attributes))):
            for tensor in tensors.values():
                if tensor is not None:
                    self._tensor(tensor)
        for kind in dict.fromkeys(map(type, new)):
            self._reached.add_class(kind)
        self._modules += new
        return bool(new)

    def _tensor(self, tensor: torch.Tensor) -> None:
        self.tensors.append(tensor)
        if tensor.requires_grad:
            self.gradients.note(tensor)

    def reach(self, *values: Any) -> None:
        """Note what is reachable from other values: the arguments of a call, a function."""
        for value in values:
            self._reached.add(value)
        self.walk()

    @staticmethod
    def tensors_below(value: Any) -> list[torch.Tensor]:
        """The tensors reachable from a value, in objects of any class too."""
        found: list[torch.Tensor] = []
        below = Reached(lambda module: False, found.append)
        below.add(value)
        below.walk()
        return found

    def walk(self) -> None:
        """Note what is reachable from all that was kept since the last walk."""
        while True:
            self._dictionaries.add(self._new)
            self.wrappers.keep(self._modules)
            self._new, self._modules = [], []
            self._reached.walk()
            if not self._new:
                return

    def restore(self) -> None:
        """Put back whatever changed since it was noted."""
        self._dictionaries.restore()
        for value, before in self._sets:
            putting_back.container(value, before)
        self._reached.restore()
        self._reached.forget()
        self.gradients.restore()
        self.wrappers.restore()
