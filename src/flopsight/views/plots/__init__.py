"""Drawings of a profile: one file each, discovered here, with a `draw`. They need matplotlib.

A drawing is made on axes that are given or new, of rows of the table that others print: nothing is counted here.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING

from flopsight.errors import InputError, near
from flopsight.record import Record
from flopsight.views.axes import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_SIZE = (9.0, 5.0)
"""Of a figure in inches: paths of modules are long."""


def kinds() -> list[str]:
    """The names of all drawings."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def plot(
    profile: Record,
    kind: str = "treemap",
    *,
    quantity: str | None = None,
    depth: int | None = None,
    top: int | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw a profile, on new axes if none are given.

    quantity: a column of numbers, MACs if there are any. depth: levels of modules. top: parts drawn by themselves.
    Raises: InputError with near matches for another kind, and for what a kind does not have; MissingLibraryError.
    """
    if kind not in kinds():
        raise InputError(
            f"There is no drawing {kind!r}; there are {', '.join(kinds())}, and profile.roofline(device).plot()."
            f"{near(kind, kinds())}"
        )
    draw = importlib.import_module(f"{__name__}.{kind}").draw
    asked = {"quantity": quantity, "depth": depth, "top": top}
    given = {name: value for name, value in asked.items() if value is not None}
    known = inspect.signature(draw).parameters
    for name in given:
        if name not in known:
            raise InputError(f"A drawing of the kind {kind!r} has no {name}; leave it out.")
    made = new_axes(_SIZE) if axes is None else axes
    draw(profile, made, **given)
    return made
