"""What a run may leave its marks in, as it was: attributes of modules and objects, containers, caches, generators."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from flopsight.tracing import putting_back
from flopsight.tracing.distributed import WrapperState
from flopsight.tracing.gradients import Gradients
from flopsight.tracing.reach import ATOMS, Reached

_STANDARD = frozenset(nn.Module().__dict__)
"""The attributes that every module has: flags, and containers of parameters, modules and hooks."""


class ModuleState:
    """What modules hold, and what is reachable from them, to be put back.

    gradients: those of the leaves met. tensors: the tensors reached, whose values are to be put back if they are
    written. wrappers: what the wrappers for several processes keep beside them.
    """

    def __init__(self) -> None:
        self.gradients = Gradients()
        self.tensors: list[torch.Tensor] = []
        self._attributes: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._containers: list[tuple[Any, Any]] = []
        self._empty: list[Any] = []
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
        for name, value in attributes.items():
            kind = type(value)
            if kind in ATOMS:
                continue
            if name not in _STANDARD:
                if kind is not tuple or not all(type(item) in ATOMS for item in value):
                    self._reached.add(value)
            elif kind is dict or kind is OrderedDict or kind is set:
                if value:
                    self._containers.append((value, value.copy()))
                else:
                    self._empty.append(value)
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
        for value in self._empty:
            if value:
                value.clear()
        for value, before in self._containers:
            putting_back.container(value, before)
        for attributes, before in self._attributes:
            putting_back.container(attributes, before)
        self._reached.restore()
        self._reached.forget()
        self.gradients.restore()
        self.wrappers.restore()
