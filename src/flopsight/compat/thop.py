"""thop 0.1.1 (`import flopsight.compat.thop as thop`): multiply-accumulates and parameters as floats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

import flopsight
from flopsight.compat._rules import Rule, Ruled, counts, watching
from flopsight.compat._run import ignored, measure
from flopsight.profiles import Profile

__all__ = ["clever_format", "profile", "profile_origin", "utils"]

_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K"))
_RED, _PLAIN = "\033[91m", "\033[00m"

Layers = dict[str, tuple[float, float, "Layers"]]


def profile(
    model: nn.Module,
    inputs: Any = None,
    custom_ops: Mapping[type, Rule] | None = None,
    verbose: bool = True,
    ret_layer_info: bool = False,
    report_missing: bool = False,
    *,
    input_size: Iterable[int] | None = None,
    device: str | None = None,
) -> Any:
    """`(macs, params)`, with `ret_layer_info` also a tree `{name: (macs, params, tree)}`.

    inputs: positional arguments. A tuple of sizes, batch included, is one input of that shape; so is `input_size`, the
        argument's name in early versions.
    custom_ops: `{type: rule}`; `rule(module, inputs, output)` adds to `module.total_ops`, and stands for all that
        happens inside the module. It gets a stand-in of the module, and tensors without values.
    verbose: say which custom rules are used. report_missing: print the operators whose cost is unknown.
    device: where early versions made the input.

    Raises: TypeError without inputs; ModelError, which is also of the type that the model raised.
    """
    if device is not None:
        ignored("thop", "device", "nothing is computed, and the count is the same on every device")
    rules = {kind: rule for kind, rule in (custom_ops or {}).items() if rule is not None}
    with watching(rules) as calls:
        record = measure(model, _arguments(inputs, input_size), seen=calls)
    if verbose or report_missing:
        _tell(rules, {type(call.module) for call in calls}, record if report_missing else None)
    ruled = Ruled(model, record, "thop", counts(calls, rules, "total_ops", lambda: torch.zeros(1, dtype=torch.float64)))
    result = float(ruled.total()), float(record.params)
    return (*result, _layers(model, record, ruled)) if ret_layer_info else result


def profile_origin(
    model: nn.Module,
    inputs: Any,
    custom_ops: Mapping[type, Rule] | None = None,
    verbose: bool = True,
    report_missing: bool = False,
) -> Any:
    """The same as `profile` without the tree."""
    return profile(model, inputs, custom_ops, verbose, report_missing=report_missing)


def _arguments(inputs: Any, input_size: Iterable[int] | None) -> tuple[Any, ...]:
    if input_size is not None:
        inputs = tuple(input_size)
    if inputs is None:
        raise TypeError("profile() needs inputs: a tuple of tensors, as in profile(model, inputs=(x,)).")
    if isinstance(inputs, torch.Tensor):
        return (inputs,)
    inputs = tuple(inputs)
    return (flopsight.spec(*inputs),) if inputs and all(type(size) is int for size in inputs) else inputs


def _tell(rules: Mapping[type, Rule], met: set[type], record: Profile | None) -> None:
    for kind in rules:
        if kind in met:
            print(f"[INFO] Customize rule {getattr(rules[kind], '__qualname__', rules[kind])}() {kind}.")
    for name in record.unknown if record else ():
        print(f"{_RED}[WARN] Cannot find rule for {name}. Treat it as zero Macs and zero Params.{_PLAIN}")


def _layers(module: nn.Module, record: Profile, ruled: Ruled) -> Layers:
    tree: Layers = {}
    for name, child in module.named_children():
        path = ruled.path(child)
        below = {} if path in ruled.by_rule else _layers(child, record, ruled)
        tree[name] = (float(ruled.of(path)), float(record[path].params), below)
    return tree


def clever_format(nums: Any, format: str = "%.2f") -> Any:
    """Numbers as text: `clever_format([4133742592, 25557032], "%.3f")` is `("4.134G", "25.557M")`; of one, a string."""
    texts = tuple(_short(num, format) for num in (nums if isinstance(nums, Iterable) else [nums]))
    return texts[0] if len(texts) == 1 else texts


def _short(number: float, format: str) -> str:
    for factor, unit in _UNITS:
        if number > factor:
            return format % (number / factor) + unit
    return format % number + "B"


utils = SimpleNamespace(clever_format=clever_format)  # thop.utils.clever_format
