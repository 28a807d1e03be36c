"""A quantity against a size, as a drawing: needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flopsight.closed_form.form import Form
from flopsight.closed_form.grid import grid
from flopsight.sizes import given
from flopsight.views.axes import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PARTS = 6
"""Modules drawn by themselves; the others are one part."""


def plot(form: Form, name: str, sizes: Sequence[int], known: dict[str, int], quantity: str) -> Axes:
    """Stacked shares of the largest modules below the root, over a size. Raises: MissingLibraryError."""
    axes = new_axes()
    at = {name: list(sizes), **{other: [size] for other, size in known.items()}}
    below = f"{form.root}." if form.root else ""
    parts = [path for path in form.modules if path.startswith(below) and path and "." not in path[len(below) :]]
    values = {path: grid(form[path].quantity(quantity), at).reshape(-1).astype(float) for path in parts}
    order = sorted(values, key=lambda path: -values[path].max())
    shown = {path: values[path] for path in order[:PARTS]}
    whole = grid(form.quantity(quantity), at).reshape(-1).astype(float)
    shown["the rest"] = whole - sum(shown.values())
    axes.stackplot(list(sizes), *shown.values(), labels=list(shown))
    axes.set_xlabel(name)
    axes.set_ylabel(quantity)
    axes.set_title(", ".join(filter(None, [form.model, given(known)])))
    axes.legend(loc="upper left")
    return axes
