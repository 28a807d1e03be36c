"""Programs made by `torch.export`: a module to run, and the inputs they were exported with."""

from __future__ import annotations

import sys
from typing import Any


def opened(model: Any, inputs: Any, kwargs: Any) -> tuple[Any, Any, Any]:
    """The module of an `ExportedProgram`, with its example inputs if none are given; any other model as it is."""
    defining = sys.modules.get("torch.export.exported_program")
    if defining is None or not isinstance(model, defining.ExportedProgram):
        return model, inputs, kwargs
    if inputs is None and kwargs is None and model.example_inputs is not None:
        inputs, kwargs = model.example_inputs
    return model.module(), inputs, kwargs
