"""What a run may leave its marks in, as it was: attributes of modules and objects, containers, caches, generators."""

from __future__ import annotations

import sys
from operator import itemgetter
from typing import Any

import torch
from torch import nn

from flopsight.tracing import putting_back
from flopsight.tracing.distributed import WrapperState
from flopsight.tracing.gradients import Gradients
from flopsight.tracing.reach import ATOMS, Reached

_STANDARD = frozenset(nn.Module().__dict__)
"""The attributes that every module has: flags, and containers of parameters, modules and hooks."""
_CONTAINERS = tuple(name for name, value in nn.Module().__dict__.items() if isinstance(value, (dict, set)))
_containers_of = itemgetter(*_CONTAINERS)
_PLAIN = (dict, set)  # a scripted module has others, of its own


class ModuleState:
    """What modules hold, and what is reachable from them, to be put back.

    gradients: those of the leaves met. tensors: the tensors reached, whose values are to be put back if they are
    written. wrappers: what the wrappers for several processes keep beside them.
    """

    def __init__(self) -> None:
        self.gradients = Gradients()
        self.tensors: list[torch.Tensor] = []
        self._attributes: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._containers: list[tuple[tuple[Any, ...], list[tuple[Any, Any]]]] = []
        self.wrappers = WrapperState()
        self._kept: set[int] = set()
        self._reached = Reached(self.keep, self._tensor)
        parametrize = sys.modules.get("torch.nn.utils.parametrize")
        if parametrize is not None:
            self._reached.add(parametrize._cache)

    def keep(self, module: nn.Module) -> bool:
        """Note the attributes of a module, what they lead to by the next `walk`; whether it was new."""
        if id(module) in self._kept:
            return False
        self._kept.add(id(module))
        attributes = module.__dict__
        self._attributes.append((attributes, attributes.copy()))
        try:
            containers = _containers_of(attributes)
        except KeyError:  # a module that was made without nn.Module's constructor
            containers = tuple(attributes[name] for name in _CONTAINERS if name in attributes)
        self._containers.append(
            (containers, [(value, value.copy()) for value in containers if value and isinstance(value, _PLAIN)])
        )
        for name in attributes.keys() - _STANDARD:
            value = attributes[name]
            kind = type(value)
            if kind not in ATOMS and (kind is not tuple or not all(type(item) in ATOMS for item in value)):
                self._reached.add(value)
        for tensors in (module._parameters, module._buffers):
            for tensor in tensors.values():
                if tensor is not None:
                    self._tensor(tensor)
        self._reached.add_class(type(module))
        self.wrappers.keep(module)
        return True

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
        self._reached.walk()

    def restore(self) -> None:
        """Put back whatever changed since it was noted."""
        for containers, filled in self._containers:
            for value, before in filled:
                putting_back.container(value, before)
            if sum(map(bool, containers)) != len(filled):
                held = {id(value) for value, _ in filled}
                for value in containers:
                    if id(value) not in held and isinstance(value, _PLAIN):
                        value.clear()
        for attributes, before in self._attributes:
            putting_back.container(attributes, before)
        self._reached.restore()
        self._reached.forget()
        self.gradients.restore()
        self.wrappers.restore()
