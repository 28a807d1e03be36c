"""ptflops' default backend: totals by module, printed as PyTorch prints the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from flopsight.compat._rules import Call, Ruled, counts, without
from flopsight.compat.ptflops.aten import only
from flopsight.profiles import Profile

_BY_MODULE = "ptflops_modules"


class Output(NamedTuple):
    """How figures become text, and where text goes."""

    macs: Callable[[float], str]
    params: Callable[[float], str]
    say: Callable[..., None]


def total(
    model: nn.Module,
    record: Profile,
    ignored: Sequence[Any],
    rules: Mapping[Any, Any],
    calls: list[Call],
    args: tuple[Any, ...],
    output: Output,
    *,
    functional: bool,
    table: bool,
    verbose: bool,
) -> int:
    """The count of one sample; `ignored` and `rules` go by type of module.

    functional: count what runs outside of PyTorch's own modules, and activations as ptflops does with that.
    """
    kept = without(record, [path for path, module in model.named_modules() if type(module) in ignored])
    if not functional:
        own = {path for path, module in model.named_modules() if type(module).__module__.startswith("torch.")}
        kept = only(kept, lambda _, path: path in own)
    by_rule = counts(calls, rules, "__flops__", int)
    samples = _samples(args, output)
    whole = int(Ruled(model, kept, "ptflops" if functional else _BY_MODULE, by_rule).total() / samples)
    ruled = Ruled(model, kept, _BY_MODULE, by_rule)
    if verbose:
        for name in dict.fromkeys(type(m).__name__ for path, m in model.named_modules() if not ruled.of(path)):
            output.say(f"Warning: module {name} is treated as a zero-op.")
    if table:
        _print(model, record, lambda path: ruled.of(path) / samples, whole, output)
    return whole


def _samples(args: tuple[Any, ...], output: Output) -> int:
    """The batch size of the first positional input."""
    if not args:
        output.say("Warning! No positional inputs found for a module, assuming batch size is 1.")
    return max(1, len(args[0])) if args and isinstance(args[0], torch.Tensor) else 1


def _print(model: nn.Module, record: Profile, macs_of: Callable[[str], float], whole: int, output: Output) -> None:
    all_macs, all_params = max(1, whole), max(1, record.params)
    paths = {module: path for path, module in model.named_modules()}

    def describe(module: nn.Module) -> str:
        macs, params = macs_of(paths[module]), int(record[paths[module]].params)
        return ", ".join([
            output.params(params), f"{params / all_params:.3%} Params",
            output.macs(macs), f"{macs / all_macs:.3%} MACs", module.extra_repr(),
        ])  # fmt: skip

    output.say(repr(_copy(model, describe)))


def _copy(module: nn.Module, describe: Callable[[nn.Module], str]) -> nn.Module:
    """A module that prints as this one, but for what it says of itself; the module stays untouched."""
    if isinstance(module, torch.jit.ScriptModule):
        return module
    text = describe(module)
    copy: nn.Module = object.__new__(type(module))
    copy.__dict__.update(module.__dict__)
    copy.__dict__["_modules"] = {name: child and _copy(child, describe) for name, child in module._modules.items()}
    copy.__dict__["extra_repr"] = lambda: text
    return copy
