"""Users' own rules for modules, written for a tool's forward hooks: `rule(module, inputs, output)`.

The tools let a rule write its count on the module. Here it writes on a stand-in, and the module stays untouched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from flopsight.calls import ancestors
from flopsight.profiles import Profile

Rule = Callable[[Any, Any, Any], Any]


class Call(NamedTuple):
    """A module's call: its inputs and output, tensors without values in place of the tensors."""

    module: nn.Module
    inputs: Any
    output: Any


class StandIn:
    """Passes for a module when read; keeps to itself what is written to it."""

    def __init__(self, module: nn.Module, **own: Any) -> None:
        self.__dict__.update(own, _module=module)

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance(stand_in, nn.Conv2d) holds
        return type(self.__dict__["_module"])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_module"], name)


@contextmanager
def watching(kinds: Mapping[type, Any]) -> Iterator[list[Call]]:
    """Collect this thread's calls of modules of exactly these types."""
    calls: list[Call] = []
    thread = threading.get_ident()

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if type(module) in kinds and threading.get_ident() == thread:
            calls.append(Call(module, *tree_map_only(torch.Tensor, _without_values, (inputs, output))))

    handle = nn.modules.module.register_module_forward_hook(note)
    try:
        yield calls
    finally:
        handle.remove()


def _without_values(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of the same shape and dtype on the meta device, made where no profile is watching."""
    with torch._C._DisableTorchDispatch():
        return torch.empty(tuple(tensor.shape), dtype=tensor.dtype, device="meta")


def counts(
    calls: list[Call], rules: Mapping[type, Rule], attribute: str, zero: Callable[[], Any]
) -> dict[nn.Module, int]:
    """What the rules add to `attribute`, which begins at `zero()`, for each module over all its calls."""
    stand_ins: dict[nn.Module, Any] = {}
    for module, inputs, output in calls:
        if module not in stand_ins:
            stand_ins[module] = StandIn(module, **{attribute: zero()})
        rules[type(module)](stand_ins[module], inputs, output)
    return {module: int(getattr(stand_in, attribute)) for module, stand_in in stand_ins.items()}


class Ruled:
    """Counts of a profile in which some modules' own rules replace all that happens inside them."""

    def __init__(self, model: nn.Module, profile: Profile, convention: str, by_rule: Mapping[nn.Module, int]) -> None:
        paths = {module: path for path, module in model.named_modules()}
        ruled = {paths[module]: count for module, count in by_rule.items() if module in paths}
        self.by_rule = {path: n for path, n in ruled.items() if not set(list(ancestors(path))[1:]) & ruled.keys()}
        self.rest = without(profile, self.by_rule)
        self._convention = convention
        self._by_module = {path: tally.total(convention) for path, tally in self.rest.by_module().items()}
        self._paths = paths

    def total(self) -> int:
        """The count of the model."""
        return self.of("")

    def of(self, path: str) -> int:
        """The count of the module at `path` and all below it."""
        inside = (n for ruled, n in self.by_rule.items() if not path or path in ancestors(ruled))
        return self._by_module.get(path, 0) + sum(inside)

    def path(self, module: nn.Module) -> str:
        """Where in the model a module is; a shared one is where it comes first."""
        path: str = self._paths[module]
        return path


def without(profile: Profile, paths: Any) -> Profile:
    """The profile less all that ran in the modules at `paths`."""
    if not paths:
        return profile
    left_out = [not set(paths).isdisjoint(ancestors(scope.path)) for scope in profile.scopes]
    return replace(profile, calls=[call for call in profile.calls if not left_out[call[1]]])
