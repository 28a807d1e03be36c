"""flopth 0.1.6: multiply-accumulates and parameters, as texts or numbers; `python -m flopsight.compat.flopth`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pydoc import locate
from typing import Any

import torch
from torch import nn

import flopsight
from flopsight.compat._grid import grid
from flopsight.compat._layers import OUTSIDE, Layer, layers, sizes
from flopsight.compat._load import command, load_class, load_line, load_torchvision
from flopsight.compat._run import ignored, measure, require
from flopsight.cost import TensorSpec
from flopsight.profiles import Profile

__all__ = ["flopth"]

_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "K"))
_DEFAULT = ((3, 224, 224),)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_HEADERS = (
    "module_name", "module_type", "in_shape", "out_shape", "kernel_size,padding,stride",
    "params", "params_percent", "params_percent_vis", "flops", "flops_percent", "flops_percent_vis",
)  # fmt: skip


def flopth(
    model: nn.Module,
    in_size: Any = _DEFAULT,
    inputs: Any = None,
    dtype: str = "float32",
    param_dict: Any = None,
    show_detail: bool = False,
    bare_number: bool = False,
) -> tuple[Any, Any]:
    """`(flops, params)` as texts (`"4.21478M"`), with `bare_number` as integers.

    in_size: sizes without the batch, of one input (`[3, 112, 112]`) or of several (`[[3, 224, 224], [3, 112, 112]]`).
    inputs: the inputs themselves. dtype: of the inputs of `in_size`. show_detail: print a table of the layers.
    """
    if param_dict is not None:
        ignored("flopth", "param_dict", "no counter is put on the model's layers")
    if inputs is not None:
        args = [inputs] if isinstance(inputs, torch.Tensor) else list(inputs)
    else:
        args = [flopsight.spec(1, *size, dtype=dtype) for size in _inputs(in_size)]
    record = measure(model, args)
    if show_detail:
        print(_table(model, record) + "\n\n")
    flops, params = record.total("flopth"), int(record.params)
    return (flops, params) if bare_number else (divide_by_unit(flops), divide_by_unit(params))


def _inputs(in_size: Any) -> list[Any]:
    if in_size is None:
        return list(_DEFAULT)
    return [in_size] if all(isinstance(size, int) for size in in_size) else list(in_size)


def divide_by_unit(value: int) -> str:
    """A number as text, with six digits: `divide_by_unit(4214784)` is `"4.21478M"`."""
    for factor, unit in _UNITS:
        if value > factor:
            return f"{value / factor:.6}{unit}"
    return f"{value / 1.0:.6}"


def _table(model: nn.Module, record: Profile) -> str:
    flops, params = record.total("flopth"), int(record.params)
    modules = dict(model.named_modules())
    rows = [
        [
            layer.path, layer.kind, _shape(layer, layer.inputs), _shape(layer, layer.outputs),
            _window(modules.get(layer.path)),
            *_part(layer.params, params), *_part(layer.tally.total("flopth"), flops),
        ]
        for layer in layers(record, "flopth")
    ]  # fmt: skip
    return grid(rows, _HEADERS)


def _shape(layer: Layer, specs: tuple[TensorSpec, ...]) -> str:
    return "" if layer.kind == OUTSIDE else f"({','.join(map(str, sizes(specs)))})"


def _part(number: int, whole: int) -> tuple[str, str, str]:
    """A number, its percentage, and a bar of up to fifty signs."""
    if not whole:
        return divide_by_unit(number), "", ""
    return divide_by_unit(number), f"{number / whole * 100:.6}%", "#" * int(number / whole * 50)


def _window(module: nn.Module | None) -> str:
    if not isinstance(module, _CONVOLUTIONS):
        return ""
    return f"k={module.kernel_size}, p={module.padding}, s={module.stride}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("flopth", description="Calculate FLOPs and parameters of PyTorch models.")
    parser.add_argument("-p", "--module_path", help="a .py file that defines the model")
    parser.add_argument("-n", "--line_number", type=int, help="the line that makes the model: net = MyModel(...)")
    parser.add_argument("-m", "--class_name", help="a model of torchvision.models, or a class of the file")
    parser.add_argument("-d", "--dtype", default="float32", help="of the inputs")
    sizes = "of an input without the batch, as in -i 3 224 224; again for each further input"
    parser.add_argument("-i", "--in_size", nargs="+", type=int, action="append", help=sizes)
    parser.add_argument("-x", "--extra_args", metavar="KEY=TYPE:VALUE", nargs="+", default=[], help="for the model")
    parser.add_argument("--show_detail", default=True, action="store_true", help="a table of the layers")
    parser.add_argument("--bare_number", action="store_true", help="numbers without units")
    return parser


def _extra(text: str) -> tuple[str, Any]:
    key, _, typed = text.partition("=")
    kind, _, value = typed.partition(":")
    convert: Any = locate(kind)
    require(callable(convert), f"-x {text} names no type; write KEY=TYPE:VALUE, as in depth=int:50.")
    return key.strip(), convert(value)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line: `flopth -m alexnet`, `flopth -m MyModel -p model.py -i 3 224 224`."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.line_number is None and args.class_name is None:
        parser.print_help()
        return
    extra = dict(map(_extra, args.extra_args))
    model = load_torchvision(args.class_name, extra) if args.class_name else None
    if model is None:
        require(args.module_path is not None, f"{args.class_name!r} is no model of torchvision; give its file with -p.")
        if args.class_name is not None:
            model = load_class(args.module_path, args.class_name, extra)
        else:
            model = load_line(args.module_path, args.line_number)
    flops, params = flopth(model, args.in_size, None, args.dtype, None, args.show_detail, args.bare_number)
    print(f"FLOPs: {flops}\nParams: {params}")


if __name__ == "__main__":
    sys.exit(command("flopth", main))
