"""Modules, autograd functions and Triton kernels with a formula of the user's: one call, whatever happens inside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from flopsight.calls import Operation, Specs
from flopsight.formulas.registry import REGISTRY, Formula, bind
from flopsight.tracing.fake import Fake, metadata_of
from flopsight.tracing.place import active
from flopsight.tracing.values.deferred import Deferred


def has_formula(module: torch.nn.Module) -> bool:
    """Whether a module's class has a formula."""
    return type(module) in REGISTRY.targets


def module_call(module: torch.nn.Module, args: Any, kwargs: Mapping[str, Any], output: Any) -> Operation:
    """The record of one call of a module whose class has a formula."""
    named = inspect.signature(module.forward).bind(*args, **kwargs)
    named.apply_defaults()
    return _operation(REGISTRY.targets[type(module)], {**named.arguments, "module": module}, output)


def run(target: Any, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run a function's forward or a kernel, and book it as one call if a profile is being made."""
    scopes = active()
    if scopes is None:
        return call(*args, **kwargs)
    kernel = not isinstance(target, type)
    signature = inspect.signature(target.fn if kernel else call)
    accepted = {name: value for name, value in kwargs.items() if name in signature.parameters}
    named = signature.bind_partial(*args, **accepted).arguments
    if kernel and any(type(value) in (Fake, Deferred) for value in named.values()):
        output = None  # there is nothing to launch it on: it writes to tensors that have no values
    else:
        with scopes.quiet():
            output = call(*args, **kwargs)
    scopes.book(_operation(REGISTRY.targets[target], named, output))
    return output


def _specs(value: Any) -> Specs:
    if isinstance(value, torch.Tensor):
        return metadata_of(value).spec
    found = [_specs(item) for item in value] if isinstance(value, (list, tuple)) else []
    return tuple(found) if found and all(spec is not None for spec in found) else None


def _operation(formula: Formula, named: Mapping[str, Any], output: Any) -> Operation:
    inputs = {name: specs for name, value in named.items() if (specs := _specs(value)) is not None}
    plain = {name: value for name, value in named.items() if name not in inputs}
    out = _specs(output)
    cost = bind(formula.rule, {**plain, **inputs}, out)
    outputs = () if out is None else out if isinstance(out, tuple) else (out,)
    first = next((spec for spec in inputs.values() if not isinstance(spec, tuple) and spec is not None), None)
    kept = {name: value for name, value in plain.items() if isinstance(value, (bool, int, float, str, type(None)))}
    results = tuple(spec for spec in outputs if spec is not None and not isinstance(spec, tuple))
    dtype = first.dtype if first is not None else "none"
    return Operation(formula.operator, formula.family, inputs, kept, results, cost, dtype, formula.source)
