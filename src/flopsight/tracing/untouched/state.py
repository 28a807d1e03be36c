"""What a run may leave its marks in, as it was: attributes of modules and objects, containers, caches, generators."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from itertools import chain
from operator import itemgetter
from typing import Any

import torch
from torch import nn

from flopsight.tracing.constructs.distributed import WrapperState
from flopsight.tracing.inventory import Found
from flopsight.tracing.untouched.contents import STANDARD, Contents
from flopsight.tracing.untouched.gradients import Gradients
from flopsight.tracing.untouched.reach import ATOMS, Reached

_tensors_of = itemgetter("_parameters", "_buffers")
_OWN: dict[tuple[type, int], Callable[[dict[str, Any]], tuple[Any, ...]]] = {}
"""By class and number of attributes: what takes those that not every module has."""


def _own_of(cls: type, attributes: dict[str, Any]) -> tuple[Any, ...]:
    """The attributes of a module that not every module has."""
    take = _OWN.get((cls, len(attributes)))
    if take is not None:
        try:
            return take(attributes)
        except KeyError:  # as many, but others
            pass
    names = list(attributes.keys() - STANDARD)
    take = _OWN[cls, len(attributes)] = itemgetter(*names[:1], *names) if names else _nothing  # two make a tuple
    return take(attributes)


def _nothing(attributes: dict[str, Any]) -> tuple[Any, ...]:
    return ()


def _held_by(module: nn.Module) -> tuple[Any, Any]:
    """The parameters and buffers of a module, of a scripted one too, which has containers of its own."""
    try:
        held: tuple[Any, Any] = _tensors_of(vars(module))
    except KeyError:
        held = getattr(module, "_parameters", {}), getattr(module, "_buffers", {})
    return held


class ModuleState:
    """What modules hold, and what is reachable from them, to be put back.

    gradients: those of the leaves met. tensors: the tensors reached, whose values are to be put back if they are
    written. wrappers: what the wrappers for several processes keep beside them.
    """

    def __init__(self) -> None:
        self.gradients = Gradients()
        self.tensors: list[torch.Tensor] = []
        self._contents = Contents()
        self._modules: list[nn.Module] = []
        self._new: list[dict[str, Any]] = []
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
        tensors = [tensor for held in filter(None, _held_by(module)) for tensor in held.values() if tensor is not None]
        self.keep_all([module], tensors, [tensor for tensor in tensors if tensor.requires_grad])
        return True

    def keep_all(
        self, modules: list[nn.Module], tensors: Iterable[torch.Tensor], trainable: Iterable[torch.Tensor]
    ) -> None:
        """Note the attributes of modules, and the tensors that they hold, some of which require a gradient."""
        new = [module for module in modules if id(module) not in self._kept]
        self._kept.update(map(id, new))
        attributes = list(map(vars, new))
        self._new += attributes
        self._follow(chain.from_iterable(map(_own_of, map(type, new), attributes)), new)
        self.tensors += tensors
        self.gradients.note_all(trainable)

    def keep_found(self, found: Found) -> None:
        """Note what modules hold that an earlier run found and that are as they were; none of them is noted yet."""
        self._kept.update(map(id, found.modules))
        self._contents.extend(found.contents)
        self._follow(found.own, found.modules)
        self.tensors += found.tensors
        self.gradients.note_all(found.trainable)

    def _follow(self, own: Iterable[Any], modules: list[nn.Module]) -> None:
        """Have what the own attributes of modules lead to followed by the next walk, and what their classes do."""
        leading = [value for value in own if type(value) not in ATOMS]
        inside = chain.from_iterable([value for value in leading if type(value) is tuple])
        plain = ATOMS.issuperset(map(type, inside))  # sizes, steps
        for value in leading:
            if type(value) is not tuple or not (plain or ATOMS.issuperset(map(type, value))):
                self._reached.add(value)
        for kind in dict.fromkeys(map(type, modules)):
            self._reached.add_class(kind)
        self._modules += modules

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
            self._contents.add_modules(self._new)
            self.wrappers.keep(self._modules)
            self._new, self._modules = [], []
            self._reached.walk()
            if not self._new:
                return

    def restore(self) -> None:
        """Put back whatever changed since it was noted."""
        self._contents.restore()
        self._reached.restore()
        self._reached.forget()
        self.gradients.restore()
        self.wrappers.restore()
