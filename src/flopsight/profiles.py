"""The user's doors: what a profile can be asked and turned into, above the analyses and views that answer.

Each method imports its answer when it is called, so that a profile costs nothing that is not asked of it.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flopsight import saving
from flopsight.analysis import explain
from flopsight.analysis import memory as analysis_memory
from flopsight.analysis.experts import Experts, experts
from flopsight.conventions import Convention
from flopsight.record import Record

if TYPE_CHECKING:
    import pandas as pd


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

    def to_dataframe(self) -> pd.DataFrame:
        """One row per module: path, class, calls, shapes, parameters, MACs, FLOPs. Needs pandas."""
        from flopsight.views.dataframe import dataframe

        return dataframe(self)

    def __str__(self) -> str:
        from flopsight.views.text import render

        return render(self)

    def _repr_html_(self) -> str:
        from flopsight.views.html import render

        return render(self)
