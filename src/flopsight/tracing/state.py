"""The attributes of modules as they were: a forward on fake tensors may leave fakes in them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_CONTAINERS = (dict, list, set)


class ModuleState:
    """Attributes and gradients of modules, to be put back."""

    def __init__(self) -> None:
        self._kept: list[tuple[dict[str, Any], dict[str, Any], list[tuple[Any, Any]]]] = []
        self._gradients: list[tuple[torch.Tensor, torch.Tensor | None]] = []

    def keep(self, module: nn.Module) -> None:
        """Note the attributes of a module, and what its plain dicts, lists and sets hold."""
        attributes = module.__dict__
        containers = [
            (value, value.copy() if value else None) for value in attributes.values() if type(value) in _CONTAINERS
        ]
        self._kept.append((attributes, attributes.copy(), containers))
        self._gradients += [(p, p.grad) for p in module._parameters.values() if p is not None]

    def restore(self) -> None:
        """Put back whatever changed since `keep`."""
        for attributes, before, containers in self._kept:
            for value, copy in containers:
                _reset(value, copy)
            if attributes.keys() != before.keys() or any(attributes[name] is not before[name] for name in before):
                attributes.clear()
                attributes.update(before)
        for parameter, gradient in self._gradients:
            if parameter.grad is not gradient:
                parameter.grad = gradient


def _reset(value: Any, copy: Any) -> None:
    if copy is None:
        if value:
            value.clear()
    elif type(value) is dict:
        if value.keys() != copy.keys() or any(value[key] is not copy[key] for key in copy):
            value.clear()
            value.update(copy)
    elif type(value) is list:
        if len(value) != len(copy) or any(a is not b for a, b in zip(value, copy, strict=True)):
            value[:] = copy
    elif value != copy:
        value.clear()
        value.update(copy)
