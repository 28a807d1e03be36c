"""Ways to look at a profile: one file each, discovered here.

A view is a pure function of a profile. `table` makes the rows and cells, `summary` the totals below them, and each
format writes them down; no view runs or counts anything.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from flopsight.errors import InputError, near


@dataclass(frozen=True)
class View:
    """A format.

    name: as in `--csv`. summary: one line for the help. render: from a profile, and the fields of a
    `flopsight.views.table.Layout` as keywords, to text.
    """

    name: str
    summary: str
    render: Callable[..., str]


@cache
def _known() -> dict[str, View]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        view = getattr(importlib.import_module(f"{__name__}.{module.name}"), "VIEW", None)
        if isinstance(view, View):
            found[view.name] = view
    return found


def names() -> list[str]:
    """The names of all views."""
    return sorted(_known())


def get(name: str) -> View:
    """The view of that name. Raises: InputError with near matches."""
    if name not in _known():
        raise InputError(f"There is no view {name!r}; there are {', '.join(names())}.{near(name, names())}")
    return _known()[name]
