"""The attributes of modules as they were: a forward on fake tensors may leave fakes in them."""

from __future__ import annotations

from operator import is_
from typing import Any

import torch
from torch import nn

from flopsight.tracing.distributed import WrapperState

_CONTAINERS = (dict, list, set)


class ModuleState:
    """Attributes and gradients of modules, to be put back.

    wrappers: what the wrappers for several processes keep beside them.
    """

    def __init__(self) -> None:
        self._attributes: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._containers: list[tuple[Any, Any]] = []
        self._gradients: list[tuple[torch.Tensor, torch.Tensor | None]] = []
        self.wrappers = WrapperState()

    def keep(self, module: nn.Module) -> None:
        """Note the attributes of a module, and what its plain dicts, lists and sets hold."""
        attributes = module.__dict__
        self._attributes.append((attributes, attributes.copy()))
        for value in attributes.values():
            if type(value) in _CONTAINERS:
                self._containers.append((value, value.copy()))
        for parameter in module._parameters.values():
            if parameter is not None:
                self._gradients.append((parameter, parameter.grad))
        self.wrappers.keep(module)

    def restore(self) -> None:
        """Put back whatever changed since `keep`."""
        for value, before in self._containers:
            if (value or before) and not _same(value, before):
                value.clear()
                value.extend(before) if type(value) is list else value.update(before)
        for attributes, before in self._attributes:
            if not _same(attributes, before):
                attributes.clear()
                attributes.update(before)
        for parameter, gradient in self._gradients:
            if parameter.grad is not gradient:
                parameter.grad = gradient
        self.wrappers.restore()


def _same(value: Any, before: Any) -> bool:
    """Whether a container holds the very same objects, in the same order."""
    if type(value) is set:
        return len(value) == len(before) and {id(item) for item in value} == {id(item) for item in before}
    if len(value) != len(before):
        return False
    if type(value) is list:
        return all(map(is_, value, before))
    return all(map(is_, value.values(), before.values())) and value.keys() == before.keys()
