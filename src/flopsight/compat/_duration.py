"""How long each layer takes, measured in one run on real tensors."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from flopsight.compat._run import ignored, measure


def durations(model: nn.Module, args: Sequence[Any]) -> dict[str, float]:
    """Seconds by path, of modules without children, over all their calls.

    The model runs once under flopsight's protection (random state, buffers and attributes are put back), which adds
    some microseconds to each operator. A model on the meta device cannot run, and has no durations.
    """
    if any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers())):
        ignored("torchstat", "a model on the meta device", "it has no values to run with, so the durations are 0")
        return {}
    paths = {module: path for path, module in model.named_modules() if not any(module.children())}
    started: list[float] = []
    seconds = dict.fromkeys(paths.values(), 0.0)
    thread = threading.get_ident()

    def begin(module: nn.Module, _: Any) -> None:
        if module in paths and threading.get_ident() == thread:
            started.append(time.perf_counter())

    def end(module: nn.Module, _: Any, __: Any) -> None:
        if module in paths and threading.get_ident() == thread:
            seconds[paths[module]] += time.perf_counter() - started.pop()

    hooks = nn.modules.module
    handles = [hooks.register_module_forward_pre_hook(begin), hooks.register_module_forward_hook(end)]
    try:
        with torch.no_grad():
            measure(model, args, execute=True)
    finally:
        for handle in handles:
            handle.remove()
    return seconds
