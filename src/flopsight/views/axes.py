"""Axes to draw on: they need matplotlib."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from flopsight.errors import MissingLibraryError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = ("#56B4E9", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2")
"""Colours that people with any kind of colour vision tell apart (Okabe and Ito, 2008), without black."""

DARK = ("#0072B2",)
"""Those of them on which white letters have more contrast than black ones."""


def new_axes(size: tuple[float, float] | None = None) -> Axes:
    """Empty axes on a figure of their own, one of pyplot's where that is in use: a notebook shows it then.

    size: of the figure in inches, matplotlib's own if not given. Raises: MissingLibraryError.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            "A drawing needs the library matplotlib, which is not installed. Install it with: "
            "pip install 'flopsight[plot]'"
        ) from error
    if "matplotlib.pyplot" in sys.modules or "inline" in os.environ.get("MPLBACKEND", ""):
        from matplotlib import pyplot

        axes: Axes = pyplot.subplots(layout="constrained", figsize=size)[1]
    else:
        axes = Figure(layout="constrained", figsize=size).subplots()
    axes.set_prop_cycle(color=PALETTE)
    return axes
