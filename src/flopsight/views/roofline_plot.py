"""Rate against intensity, as a drawing: needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flopsight.analysis.roofline import Roofline
from flopsight.views.axes import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARGIN = 4.0


def plot(roofline: Roofline) -> Axes:
    """A dot for each family of operators, at the rate that it reaches at best; a roof for each rate in use.

    The slope is what memory lets through, on which every byte passes. Raises: MissingLibraryError.
    """
    axes = new_axes()
    device = roofline.device
    families = {
        name: work
        for name, work in roofline.by("family").items()
        if work.operations and work.nbytes and work.streamed_s
    }
    roofs = {dtype: device.rate(dtype) for dtype in roofline.total.products}
    roofs["other operations"] = device.other_rate
    ridges = [rate / device.memory_bytes_per_s for rate in roofs.values()]
    at = [*ridges, *(work.intensity for work in families.values())]
    left, right = min(at) / _MARGIN, max(at) * _MARGIN
    for (name, rate), ridge in zip(roofs.items(), ridges, strict=True):
        axes.plot([left, ridge, right], [left * device.memory_bytes_per_s, rate, rate], label=name)
    for name, work in families.items():
        axes.scatter([work.intensity], [work.operations / work.streamed_s])
        axes.annotate(name, (work.intensity, work.operations / work.streamed_s), fontsize="small")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("operations per byte")
    axes.set_ylabel("operations per second")
    axes.set_title(f"{roofline.record.model} on {device.title or device.name}")
    axes.legend(loc="lower right")
    return axes
