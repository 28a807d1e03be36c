"""Conventions: what counts, and how much. One file each, discovered here.

A convention is a named function from one operator call to counts by part (`contractions`, `biases`, or a family of
operators). Its total is the sum over parts and calls.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from flopsight.calls import Operation
from flopsight.errors import ConventionError, near


@dataclass(frozen=True)
class Convention:
    """A way of counting.

    name: as in `profile.total(name)`. summary: one sentence on what it counts and who uses it. unit: of its totals,
    `MACs` or `FLOPs`, or another word. parts: for one operator call of known cost, the counts by part.
    """

    name: str
    summary: str
    unit: str
    parts: Callable[[Operation], Mapping[str, int]]

    def count(self, operation: Operation) -> int:
        """The count of one operator call."""
        return sum(self.parts(operation).values())


@cache
def _known() -> dict[str, Convention]:
    found: dict[str, Convention] = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, Convention):
                found[value.name] = value
    return found


def names() -> list[str]:
    """The names of all conventions."""
    return sorted(_known())


def get(convention: str | Convention) -> Convention:
    """The convention of that name; one given as such is handed back. Raises: ConventionError."""
    if isinstance(convention, Convention):
        return convention
    if convention not in _known():
        raise unknown(convention, names())
    return _known()[convention]


def unknown(name: str, known: list[str]) -> ConventionError:
    """The error for a convention that is not among those `known`."""
    return ConventionError(f"There is no convention {name!r}; there are {', '.join(known)}.{near(name, known)}")
