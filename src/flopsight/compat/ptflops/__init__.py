"""ptflops 0.7.5: multiply-accumulates and parameters, as texts or integers, and a printed tree of the model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, TextIO

from torch import nn

import flopsight
from flopsight.compat._rules import watching
from flopsight.compat._run import measure, require
from flopsight.compat.ptflops import aten, modules
from flopsight.compat.ptflops.modules import Output

__all__ = ["FLOPS_BACKEND", "flops_to_string", "get_model_complexity_info", "params_to_string"]

_MACS = {"GMac": 1e9, "MMac": 1e6, "KMac": 1e3}
_PARAMS = {"B": 1e9, "M": 1e6, "K": 1e3}


class FLOPS_BACKEND(Enum):
    """Which convention to count by: ptflops counts other operators with each."""

    PYTORCH = "pytorch"
    ATEN = "aten"


def get_model_complexity_info(
    model: nn.Module,
    input_res: tuple[int, ...],
    print_per_layer_stat: bool = True,
    as_strings: bool = True,
    input_constructor: Callable[[Any], Any] | None = None,
    ost: TextIO | None = None,
    verbose: bool = False,
    ignore_modules: Sequence[Any] = (),
    custom_modules_hooks: Mapping[Any, Any] | None = None,
    backend: str | FLOPS_BACKEND = FLOPS_BACKEND.PYTORCH,
    flops_units: str | None = None,
    param_units: str | None = None,
    output_precision: int = 2,
    backend_specific_config: Mapping[str, Any] | None = None,
) -> tuple[Any, Any]:
    """`(macs, params)` of one sample, as texts (`"4.13 GMac"`, `"25.56 M"`) or integers.

    input_res: sizes of the input without the batch, or what `input_constructor` makes the input from: a tensor, or a
        dict of keyword arguments.
    print_per_layer_stat: print the model with the figures of every module to `ost` (standard output).
    ignore_modules: types of modules (operators, for the backend aten) that do not count.
    custom_modules_hooks: `{type: rule}`; `rule(module, inputs, output)` adds to `module.__flops__` and stands for all
        that happens inside. For the backend aten, `{operator: rule}`; `rule(inputs, outputs)` returns the count.
    verbose: name the modules (operators) that count nothing.
    backend_specific_config: `{"count_functional": False}` leaves out what runs outside of PyTorch's own modules.

    Raises: AssertionError for a wrong `input_res` or model; ValueError for a wrong backend; ModelError where the model
    fails, which ptflops reports as `(None, None)`.
    """
    require(type(input_res) is tuple and len(input_res) >= 1, f"input_res is {input_res!r}; give a tuple of sizes.")
    require(isinstance(model, nn.Module), f"The model is {model!r}; give a torch.nn.Module.")
    by_modules = FLOPS_BACKEND(backend) is FLOPS_BACKEND.PYTORCH
    hooks = dict(custom_modules_hooks or {})
    output = Output(
        partial(flops_to_string, units=flops_units, precision=output_precision),
        partial(params_to_string, units=param_units, precision=output_precision),
        partial(print, file=ost or sys.stdout),
    )
    args, kwargs = _arguments(input_res, input_constructor)
    with watching(hooks if by_modules else {}) as calls:
        record = measure(model, args, kwargs, seen=calls)
    shown = {"table": print_per_layer_stat, "verbose": verbose}
    if by_modules:
        functional = (backend_specific_config or {}).get("count_functional", True)
        macs = modules.total(model, record, ignore_modules, hooks, calls, args, output, functional=functional, **shown)
    else:
        macs = aten.total(record, ignore_modules, hooks, output.macs, output.say, **shown)
    params = int(record.params)
    return (output.macs(macs), output.params(params)) if as_strings else (macs, params)


def _arguments(input_res: tuple[int, ...], make: Callable[[Any], Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if make is None:
        return (flopsight.spec(1, *input_res),), {}
    made = make(input_res)
    return ((), made) if isinstance(made, dict) else ((made,), {})


def flops_to_string(flops: float, units: str | None = None, precision: int = 2) -> str:
    """Multiply-accumulates as text, in GMac, MMac or KMac: `flops_to_string(4132436968)` is `"4.13 GMac"`."""
    unit = units or next((unit for unit, factor in _MACS.items() if flops // factor > 0), "")
    return f"{round(flops / _MACS[unit], precision)} {unit}" if unit in _MACS else f"{flops} Mac"


def params_to_string(params_num: int, units: str | None = None, precision: int = 2) -> str:
    """Parameters as text, in M, K or B: `params_to_string(25557032)` is `"25.56 M"`."""
    unit = units or ("M" if params_num // 10**6 else "K" if params_num // 10**3 else "")
    text = f"{round(params_num / _PARAMS[unit], precision)} {unit}" if unit in _PARAMS else str(params_num)
    return text if units else text.replace("K", "k")
