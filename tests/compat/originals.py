"""What the original tools say of real models, as JSON: in the folder `tests`, `python -m compat.originals TOOL`.

A process of its own for each tool: flopth and torchstat replace `__call__` of PyTorch's classes and leave it so.
torchstat's table cannot be made with pandas 2 or later; its rows can, and are added up here.
`recorded.json` holds the answers of thop 0.1.1.post2209072238, ptflops 0.7.5, flopth 0.1.6 and torchstat 0.0.7 on torch
2.13.0. All but torchstat's are compared with the tools themselves when the tests run; torchstat is from 2018 and not
installed for the tests.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

RECORDED = Path(__file__).parent / "recorded.json"
MODELS = (
    "resnet18", "resnet50", "vgg16", "vgg16_bn", "alexnet", "mobilenet_v2", "densenet121", "squeezenet1_0",
    "mnasnet1_0", "shufflenet_v2_x1_0",
)  # fmt: skip
IMAGE = (3, 224, 224)


def build(name: str, *, real: bool = False) -> nn.Module:
    """A model of torchvision without weights, or with all of them zero."""
    from torchvision import models

    with torch.device("meta"):
        model: nn.Module = getattr(models, name)()
    if real:
        model = model.to_empty(device="cpu")
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.data.zero_()
    return model


def thop(model: nn.Module) -> dict[str, int]:
    from thop import profile

    macs, params = profile(model, inputs=(torch.zeros(1, *IMAGE),), verbose=False)
    return {"macs": int(macs), "params": int(params)}


def _ptflops(model: nn.Module, **settings: Any) -> dict[str, int]:
    from ptflops import get_model_complexity_info

    macs, params = get_model_complexity_info(model, IMAGE, as_strings=False, print_per_layer_stat=False, **settings)
    return {"macs": int(macs), "params": int(params)}


def ptflops(model: nn.Module) -> dict[str, int]:
    return _ptflops(model)


def ptflops_aten(model: nn.Module) -> dict[str, int]:
    return _ptflops(model, backend="aten")


@contextlib.contextmanager
def _own_call(model: nn.Module) -> Any:
    """Take away what a tool has put in place of `__call__` of the model's classes."""
    kinds = {type(module) for module in model.modules()} - {nn.Module}
    yield
    for kind in kinds:
        if "__call__" in vars(kind):
            del kind.__call__


def flopth(model: nn.Module) -> dict[str, int]:
    from flopth import flopth

    with _own_call(model):
        flops, params = flopth(model, in_size=IMAGE, bare_number=True)
    return {"flops": int(flops), "params": int(params)}


def torchstat(model: nn.Module) -> dict[str, int]:
    from torchstat.statistics import ModelStat

    with _own_call(model):
        rows = ModelStat(model, IMAGE)._analyze_model()
    return {
        "params": sum(int(row.parameter_quantity) for row in rows),
        "madd": sum(int(row.MAdd) for row in rows),
        "flops": sum(int(row.Flops) for row in rows),
        "read": sum(int(row.Memory[0]) for row in rows),
        "written": sum(int(row.Memory[1]) for row in rows),
    }


TOOLS: dict[str, Callable[[nn.Module], dict[str, int]]] = {
    tool.__name__: tool for tool in (thop, ptflops, ptflops_aten, flopth, torchstat)
}


def main(tool: str) -> None:
    """Print what a tool says of the models: `{model: {figure: number}}`."""
    from flopsight.sources.torchvision_operators import torchvision_importable

    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()), torchvision_importable():
        said = {name: TOOLS[tool](build(name, real=True)) for name in MODELS}
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
