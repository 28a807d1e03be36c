"""Axes to draw on: they need matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flopsight.errors import MissingLibraryError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def new_axes() -> Axes:
    """Empty axes, on a figure of their own. Raises: MissingLibraryError."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            "A drawing needs the library matplotlib, which is not installed. Install it with: pip install matplotlib"
        ) from error
    return Figure(layout="constrained").subplots()
