"""The real tools, each asked in its usual way. `python -m peers.tools NAME` prints what one says of each model as JSON.

A process of its own for each tool: several of them patch PyTorch and leave it patched.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
from collections.abc import Callable
from unittest import mock

import torch
from torch import nn

from flopsight.sources.torchvision_operators import torchvision_importable

Counts = dict[str, int]
"""What a tool says, by the name of its figure."""


def thop(model: nn.Module, image: torch.Tensor) -> Counts:
    from thop import profile

    return {"thop": int(profile(model, inputs=(image,), verbose=False)[0])}


def ptflops(model: nn.Module, image: torch.Tensor) -> Counts:
    from ptflops import get_model_complexity_info

    counts = {}
    for figure, backend in (("ptflops", "pytorch"), ("ptflops_aten", "aten")):
        macs, _ = get_model_complexity_info(
            model, tuple(image.shape[1:]), as_strings=False, print_per_layer_stat=False, backend=backend
        )
        counts[figure] = int(macs)
    return counts


def fvcore(model: nn.Module, image: torch.Tensor) -> Counts:
    from fvcore.nn import FlopCountAnalysis

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    counted = FlopCountAnalysis(model, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return {"fvcore": int(counted.total())}


def torchinfo(model: nn.Module, image: torch.Tensor) -> Counts:
    from torchinfo import summary

    return {"torchinfo": int(summary(model, input_data=[image], verbose=0).total_mult_adds)}


def deepspeed(model: nn.Module, image: torch.Tensor) -> Counts:
    from deepspeed.profiling.flops_profiler import get_model_profile

    flops, macs, _ = get_model_profile(model, args=[image], print_profile=False, as_string=False, warm_up=0)
    return {"deepspeed": int(flops), "deepspeed_macs": int(macs)}


def torch_flops(model: nn.Module, image: torch.Tensor) -> Counts:
    from torch_flops import TorchFLOPsByFX

    asked = {"reset_peak_memory_stats": None, "max_memory_allocated": 0}  # it asks for GPU memory, also without a GPU
    with mock.patch.multiple(torch.cuda, **{name: mock.Mock(return_value=value) for name, value in asked.items()}):
        counted = TorchFLOPsByFX(model)
        with torch.no_grad():
            counted.propagate(image)
    return {"torch_flops": int(counted.print_total_flops(show=False))}


TOOLS: dict[str, Callable[[nn.Module, torch.Tensor], Counts]] = {
    tool.__name__: tool for tool in (thop, ptflops, fvcore, torchinfo, deepspeed, torch_flops)
}


def main(tool: str) -> None:
    """Print what a tool says: `{model: {figure: count}}`; nothing of a model where the tool raises an error."""
    from peers.layers import LAYERS, layer
    from peers.models import MODELS, build

    torch.set_num_threads(1)
    said: dict[str, Counts] = {}
    with contextlib.redirect_stdout(io.StringIO()), torchvision_importable():
        for name in (*MODELS, *LAYERS):
            model, image = layer(name) if name in LAYERS else build(name)
            try:
                said[name] = TOOLS[tool](model, image)
            except Exception as error:
                print(f"{tool}, {name}: {type(error).__name__}: {error}", file=sys.stderr)
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
