"""Operator calls in the order they ran, with the module calls around each: what flame graphs are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flopsight.calls import PHASES, Operation
from flopsight.record import Record


class Stack(NamedTuple):
    """One operator call. scopes: the calls of modules around it, outermost first, as indices of `Record.scopes`."""

    phase: str
    scopes: tuple[int, ...]
    operation: Operation


def stacks(profile: Record) -> Iterator[Stack]:
    """Every operator call of the profile, which may be that of one module."""
    held = profile.by_module()
    around: list[tuple[int, ...]] = []
    for index, (path, parent, _) in enumerate(profile.scopes):
        outer = around[parent] if parent >= 0 else ()
        around.append((*outer, index) if path in held else outer)
    for operation, scope, phase in profile.calls:
        if profile.scopes[scope].path in held:
            yield Stack(PHASES[phase], around[scope], profile.operations[operation])


def module_name(profile: Record, path: str) -> str:
    """What a module is called under the one around it, with its class."""
    return f"{path.rpartition('.')[2] or profile.model} ({profile.modules[path].kind})"
