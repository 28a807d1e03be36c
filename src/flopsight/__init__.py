"""flopsight: what a PyTorch model costs, exactly, for every operator, without running it or touching it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from flopsight.closed_form import ClosedForm
    from flopsight.comparing import Comparison, Diff, compare, diff
    from flopsight.conventions import Convention
    from flopsight.cost import Cost, TensorSpec
    from flopsight.devices import Device
    from flopsight.fitting import Fit, fit
    from flopsight.formulas.registry import formula
    from flopsight.generation import Generation, profile_generate
    from flopsight.loading import load
    from flopsight.measuring import measure
    from flopsight.metering import Meter
    from flopsight.profiles import Profile
    from flopsight.sweeping import Row, sweep
    from flopsight.tracing.given.inputs import plain, spec
    from flopsight.tracing.profiler import Profiler
    from flopsight.tracing.tracer import profile

_HOME = {
    "ClosedForm": "closed_form",
    "Comparison": "comparing",
    "Convention": "conventions",
    "Cost": "cost",
    "Device": "devices",
    "Diff": "comparing",
    "Fit": "fitting",
    "Generation": "generation",
    "Meter": "metering",
    "Profile": "profiles",
    "Profiler": "tracing.profiler",
    "Row": "sweeping",
    "TensorSpec": "cost",
    "compare": "comparing",
    "diff": "comparing",
    "fit": "fitting",
    "formula": "formulas.registry",
    "load": "loading",
    "measure": "measuring",
    "plain": "tracing.given.inputs",
    "profile": "tracing.tracer",
    "profile_generate": "generation",
    "spec": "tracing.given.inputs",
    "sweep": "sweeping",
}

__all__ = [
    "ClosedForm",
    "Comparison",
    "Convention",
    "Cost",
    "Device",
    "Diff",
    "Fit",
    "Generation",
    "Meter",
    "Profile",
    "Profiler",
    "Row",
    "TensorSpec",
    "compare",
    "diff",
    "fit",
    "formula",
    "load",
    "measure",
    "plain",
    "profile",
    "profile_generate",
    "spec",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'flopsight' has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f"flopsight.{_HOME[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
