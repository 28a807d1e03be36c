"""`measure`: how long a model takes for real, beside the least time that its operators need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.utils.benchmark import Timer

from flopsight import units
from flopsight.analysis import measured
from flopsight.analysis.kernels import kernels
from flopsight.analysis.utilisation import utilisation
from flopsight.devices import Device, get
from flopsight.errors import InputError, ModelError, out_of_memory
from flopsight.measuring.machine import measure_device
from flopsight.measuring.place import free_bytes, place
from flopsight.measuring.weights import with_weights
from flopsight.profiles import Profile
from flopsight.tracing.given.inputs import arguments, fill, tensors_in
from flopsight.tracing.given.signature import Signature
from flopsight.tracing.given.tensors import given_tensors
from flopsight.tracing.scopes import Scopes
from flopsight.tracing.tracer import profile

_WARM_UP, _TRACED = 3, 5
"""Runs before any is timed, and runs with a clock at each module."""


class Measurement(measured.Measurement):
    """How long a model took, beside its least time; `print` it to read it."""

    def __str__(self) -> str:
        from flopsight.views.measurement import render

        return render(self)


def measure(
    model: nn.Module | Callable[..., Any],
    inputs: Any = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    on: str | None = None,
    device: str | Device | None = None,
    backward: bool = False,
    min_run_s: float = 1.0,
) -> Measurement:
    """Run a copy of `model` for real and hold the time against the least that its operators need.

    inputs, kwargs: as for `flopsight.profile`. on: `cpu` or `cuda`; a graphics card where there is one.
    device: what it is held against, by name or as such; if not given, this machine, which is measured.
    backward: forward and backward, rather than the forward alone without gradients. min_run_s: for how long at least.
    A model without weights gets random ones.

    Raises: InputError (no such place, no room), ModelError, DeviceError and what `flopsight.profile` raises.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"The model is {model!r}; give a torch.nn.Module, of which a copy can be run.")
    if not 0 < min_run_s < float("inf"):
        raise InputError(f"min_run_s is {min_run_s!r}; give seconds above 0.")
    at = place(on)
    against = None if device is None else get(device)
    record = profile(model, inputs, kwargs=kwargs, backward=backward)
    if type(record) is not Profile:
        raise InputError("A real run needs a number for each size of the inputs; give numbers.")
    _refuse_what_does_not_fit(record, at, backward=backward)
    try:
        copied = with_weights(model, at)
        run = _run(copied, inputs, kwargs, at, backward=backward)
        for _ in range(_WARM_UP):
            run()
        timer = Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads())
        timed = timer.blocked_autorange(min_run_time=min_run_s)
        modules_s = _by_module(copied, run, at)
    except Exception as error:
        if out_of_memory(error):
            raise InputError(f"{record.model} does not fit into the memory of {at}: {error}") from error
        if isinstance(error, InputError):
            raise
        raise ModelError(f"{record.model} cannot be run on {at}: {type(error).__name__}: {error}") from error
    against = against or measure_device(at.type)
    return Measurement(
        on=str(at),
        seconds=timed.median,
        spread_s=timed.iqr,
        best_s=min(timed.times),
        runs=len(timed.times) * timed.number_per_run,
        modules_s=modules_s,
        roofline=record.roofline(against),
        utilisation=utilisation(record, timed.median, against),
    )


def _refuse_what_does_not_fit(record: Profile, at: torch.device, *, backward: bool) -> None:
    """Raises: InputError where weights, gradients and what one operator returns are more than there is."""
    held = record.params.nbytes * (2 if backward else 1) + record.params.buffer_bytes
    largest = max((kernel.written_bytes for kernel in kernels(record)), default=0)
    needed, free = held + largest, free_bytes(at)
    if needed > free:
        raise InputError(
            f"{record.model} needs at least {units.size(needed)} (weights{' and gradients' if backward else ''}, and "
            f"the results of its largest operator), and {at} has {units.size(free)} free; give smaller inputs or a "
            "smaller model, or ask for the least time alone, which needs no memory: profile.roofline."
        )


def _run(
    model: nn.Module, inputs: Any, kwargs: Mapping[str, Any] | None, at: torch.device, *, backward: bool
) -> Callable[[], None]:
    """A call of the model on inputs that are there, and its backward pass; a graphics card is waited for."""
    scopes = Scopes(restore=False)
    scopes.root(type(model).__name__, model)
    signature = Signature(model)
    args, named = arguments(inputs, kwargs, signature)
    given = given_tensors(args, named, scopes.modules, signature, lambda said: None, execute=True, at_once=True)
    positional, by_name = fill(given, lambda tensor: tensor.to(at))
    waiting = torch.cuda.synchronize if at.type == "cuda" else _nothing

    def run() -> None:
        with nullcontext() if backward else torch.no_grad():
            out = model(*positional, **by_name)
        if backward:
            loss = getattr(out, "loss", None)
            leaves = tensors_in(loss if isinstance(loss, torch.Tensor) else out)
            ends = [tensor for tensor in leaves if tensor.requires_grad]
            torch.autograd.backward(ends, [torch.ones_like(tensor) for tensor in ends])
            model.zero_grad(set_to_none=True)
        waiting()

    return run


def _nothing() -> None:
    """A processor has finished when the call returns."""


def _by_module(model: nn.Module, run: Callable[[], None], at: torch.device) -> dict[str, float]:
    """The median time in each module's forward, over some runs; on a graphics card each module is waited for."""
    waiting = torch.cuda.synchronize if at.type == "cuda" else _nothing
    began: list[float] = []
    spent: dict[str, list[float]] = {}

    def before(module: nn.Module, args: Any) -> None:
        waiting()
        began.append(perf_counter())

    def after(path: str) -> Callable[..., None]:
        def stop(module: nn.Module, args: Any, out: Any) -> None:
            waiting()
            spent[path][-1] += perf_counter() - began.pop()

        return stop

    handles = []
    for path, module in model.named_modules():
        spent[path] = []
        handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after(path))]
    try:
        for _ in range(_TRACED):
            for times in spent.values():
                times.append(0.0)
            run()
    finally:
        for handle in handles:
            handle.remove()
    return {path: median(times) for path, times in spent.items() if any(times)}
