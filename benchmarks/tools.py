"""The tools that are timed, each called as its users call it. Everything is imported when a tool runs, not before.

A tool takes a model and one input tensor and returns its total. `TOOLS` says on which kind of model it is tried:
`cpu`, a model with real weights, or `meta`, one without (only where the tool can do that); with neither, it is tried on
the large model only.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple


class Tool(NamedTuple):
    """How a tool is called, the kinds of model it can read, and the packages whose versions to report.

    repeated: it differs from another in repeated calls alone.
    """

    count: Callable[[Any, Any], int]
    devices: tuple[str, ...]
    package: str
    repeated: bool = False


def flopsight(model: Any, x: Any) -> int:
    import flopsight

    return flopsight.profile(model, x).macs


_around: dict[int, Any] = {}


def flopsight_made(model: Any, x: Any) -> int:
    """With code around the model that may see anything, so that no run is told from the one before."""
    if id(model) not in _around:
        _around[id(model)] = _inside_another(model)
    return flopsight(_around[id(model)], x)


def _inside_another(model: Any) -> Any:
    import time

    from torch import nn

    class Around(nn.Module):
        def forward(self, x: Any) -> Any:
            self.called_s = time.perf_counter()
            return self.inner(x)

    around = Around()
    around.inner = model
    return around


def thop(model: Any, x: Any) -> int:
    from thop import profile

    macs, _ = profile(model, inputs=(x,), verbose=False)
    return int(macs)


def _ptflops(model: Any, x: Any, backend: str) -> int:
    from flopsight.sources.torchvision_operators import torchvision_importable

    with torchvision_importable():  # which it imports
        from ptflops import get_model_complexity_info

    macs, _ = get_model_complexity_info(
        model,
        tuple(x.shape[1:]),
        as_strings=False,
        print_per_layer_stat=False,
        verbose=False,
        backend=backend,
        input_constructor=lambda _: x,
    )
    return int(macs)


def ptflops(model: Any, x: Any) -> int:
    return _ptflops(model, x, "pytorch")


def ptflops_aten(model: Any, x: Any) -> int:
    return _ptflops(model, x, "aten")


def fvcore(model: Any, x: Any) -> int:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(model, x)
    return int(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def torchinfo(model: Any, x: Any) -> int:
    from torchinfo import summary

    return int(summary(model, input_data=x, device=x.device, verbose=0).total_mult_adds)


def flop_counter_mode(model: Any, x: Any) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(x)
    return int(counter.get_total_flops())


def flop_counter_mode_fake(model: Any, x: Any) -> int:
    """For models that a meta tensor's missing values stop: the model's parameters and input as fake tensors."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.func import functional_call

    with FakeTensorMode(allow_non_fake_inputs=True):
        held = [*model.named_parameters(), *model.named_buffers()]
        state = {name: torch.empty_like(tensor, device="cpu") for name, tensor in held}
        return flop_counter_mode(partial(functional_call, model, state), torch.empty_like(x, device="cpu"))


TOOLS = {
    "flopsight": Tool(flopsight, ("cpu", "meta"), "flopsight"),
    "flopsight (each run made)": Tool(flopsight_made, ("cpu",), "flopsight", repeated=True),
    "thop": Tool(thop, ("cpu", "meta"), "thop"),
    "ptflops": Tool(ptflops, ("cpu", "meta"), "ptflops"),
    "ptflops (aten)": Tool(ptflops_aten, ("cpu", "meta"), "ptflops"),
    "fvcore": Tool(fvcore, ("cpu",), "fvcore"),
    "torchinfo": Tool(torchinfo, ("cpu", "meta"), "torchinfo"),
    "FlopCounterMode": Tool(flop_counter_mode, ("meta",), "torch"),
    "FlopCounterMode (fake)": Tool(flop_counter_mode_fake, (), "torch"),
}


def quietly(tool: str, model: Any, x: Any) -> int:
    """The tool's total, without the warnings it gives on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TOOLS[tool].count(model, x)
