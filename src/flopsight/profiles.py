"""The user's doors: what a profile can be asked and turned into, above the analyses and views that answer.

Each method imports its answer when it is called, so that a profile costs nothing that is not asked of it.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flopsight import saving
from flopsight.analysis import explain, roofline
from flopsight.analysis import memory as analysis_memory
from flopsight.analysis.experts import Experts, experts
from flopsight.conventions import Convention
from flopsight.record import Record

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from flopsight.analysis.utilisation import Utilisation
    from flopsight.devices import Device


class Explanation(explain.Explanation):
    """What each convention counts, part by part, and where they part; `print` it to read it."""

    def __str__(self) -> str:
        from flopsight.views.explanation import render

        return render(self)


class Memory(analysis_memory.Memory):
    """Memory over a run; `print` it to read it."""

    def __str__(self) -> str:
        from flopsight.views.memory import render

        return render(self)


class Roofline(roofline.Roofline):
    """How long a device needs for a run at best, and where the time goes; `print` it to read it."""

    def plot(self) -> Axes:
        """Rate against intensity, a dot for each family of operators, under the device's roofs. Needs matplotlib."""
        from flopsight.views.roofline_plot import plot

        return plot(self)

    def __str__(self) -> str:
        from flopsight.views.roofline import render

        return render(self)


class Profile(Record):
    """What a run cost. Make one with `flopsight.profile`, `flopsight.Profiler` or `flopsight.load`; `print` it.

    Its data and sums (`macs`, `flops`, `params`, `unknown`, `total`, `by_operator`, `by_module`, ...) are a `Record`'s.
    """

    def explain(self, *conventions: str | Convention, phase: str | None = None) -> Explanation:
        """What each convention counts, part by part, and where they part. Raises: ConventionError, ValueError."""
        return Explanation(**vars(explain.explain(self, *conventions, phase=phase)))

    @cached_property
    def experts(self) -> Experts | None:
        """Mixture of experts: parameters and MACs of all experts, and those one token uses; None without experts."""
        return experts(self)

    @cached_property
    def memory(self) -> Memory:
        """Memory over the run: its peak, and what lives when. Raises: InputError if the run did not follow it."""
        return self.memory_with(None)

    def memory_with(self, allocator: str | None) -> Memory:
        """Memory as an allocator takes it: `cuda` for PyTorch's caching one. Raises: InputError."""
        return Memory(**vars(analysis_memory.memory(self, allocator)))

    def roofline(
        self,
        device: str | Device,
        *,
        fused: bool = False,
        launch_s: float = 0.0,
        compute_dtype: str | None = None,
    ) -> Roofline:
        """How long a device needs for the run at best, by module and operator; `print` it to read it.

        device: a name (`flopsight devices` lists them) or a `flopsight.Device`.
        fused: as a compiler runs it at best, rather than operator by operator. launch_s: what each kernel takes at
        least. compute_dtype: what contractions of floating-point numbers are computed in, if not in their own dtype
        (`tf32`).

        Raises: DeviceError for an unknown device or a dtype that it has no rate for; InputError.
        """
        made = roofline.roofline(self, device, fused=fused, launch_s=launch_s, compute_dtype=compute_dtype)
        return Roofline(**vars(made))

    def mfu(
        self,
        seconds: float,
        device: str | Device,
        *,
        convention: str | Convention = "flops",
        compute_dtype: str | None = None,
    ) -> Utilisation:
        """Of what a device could have computed while the run took so many seconds, how much the run is.

        The result's `mfu` is the model's share (each operation that the model needs, once), `hfu` that of the hardware
        (with what activation checkpointing computes again). convention: what counts as an operation.
        compute_dtype: as for `roofline`. Raises: ConventionError, DeviceError, InputError.
        """
        from flopsight.analysis.utilisation import utilisation

        return utilisation(self, seconds, device, convention=convention, compute_dtype=compute_dtype)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile as JSON (compressed if the name ends in `.gz`)."""
        saving.dump(self.to_dict(), Path(path))

    def to_dict(self) -> dict[str, Any]:
        """The profile as plain values; `flopsight.saving` documents the schema."""
        return saving.to_dict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Profile:
        """The profile that `to_dict` gave. Raises: ProfileFormatError."""
        return cls(**saving.fields(data))

    def to_dataframe(self, **layout: Any) -> pd.DataFrame:
        """One row per module: path, class, calls, shapes, parameters, MACs, FLOPs. Needs pandas.

        layout: fields of a `flopsight.views.table.Layout`: `flat=True`, `top=10`, `columns=["macs", "share"]`.
        """
        from flopsight.views.dataframe import dataframe

        return dataframe(self, **layout)

    def render(self, view: str, **layout: Any) -> str:
        """The profile in a format that the command writes too: `csv`, `jsonl`, `latex`, `markdown`, `speedscope`, ...

        layout: fields of a `flopsight.views.table.Layout`. Raises: InputError.
        """
        from flopsight import views

        return views.get(view).render(self, **layout)

    def log_to(self, logger: Any, *, step: int | None = None, name: str = "cost") -> None:
        """Log totals and the table to a `SummaryWriter` of TensorBoard or a run of Weights & Biases.

        logger: the object that you have; what it can do tells which it is. name: stands before each name that is
        logged, as `cost/macs`. Raises: InputError for another object.
        """
        from flopsight.views.loggers import log

        log(self, logger, step, name)

    def plot(
        self,
        kind: str = "treemap",
        *,
        quantity: str | None = None,
        depth: int | None = None,
        top: int | None = None,
        axes: Axes | None = None,
    ) -> Axes:
        """A drawing. Needs matplotlib, and squarify for a treemap: `pip install 'flopsight[plot]'`.

        kind: `treemap` or `modules` (bars), of modules; `families`, of operators by kind; `memory`, the bytes over a
        run that followed them. quantity: a column of numbers, `macs`, `params`, `bytes` or a convention, MACs if not
        given. depth: levels of modules. top: parts that are drawn by themselves, the others being one. axes: to draw
        on, new ones if not given. Returns matplotlib's axes (`.figure.savefig(path)`).

        Raises: InputError, MissingLibraryError.
        """
        from flopsight.views.plots import plot

        return plot(self, kind, quantity=quantity, depth=depth, top=top, axes=axes)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        convention: str | Convention | None = None,
        device: str | Device | None = None,
        fused: bool = False,
        launch_s: float = 0.0,
        compute_dtype: str | None = None,
        allocator: str | None = None,
    ) -> None:
        """Write a report: one HTML file that opens from disk, with totals, a graph, tables, memory and time.

        convention: what is counted first, of all that its reader may choose. device: with the least time on it, by
        `fused`, `launch_s` and `compute_dtype` as for `roofline`. allocator: whose sizes the memory has, where the run
        followed it, as for `memory_with`. Needs Jinja2.

        Raises: ConventionError, DeviceError, InputError, MissingLibraryError.
        """
        from flopsight.views.report import render

        timed = None
        if device is not None:
            timed = self.roofline(device, fused=fused, launch_s=launch_s, compute_dtype=compute_dtype)
        page = render(self, roofline=timed, allocator=allocator, convention=convention)
        Path(path).write_text(page, encoding="utf-8")

    def __str__(self) -> str:
        from flopsight.views.text import render

        return render(self)

    def _repr_html_(self) -> str:
        from flopsight.views.html import render

        return render(self)
