"""`profile`: run code under the dispatcher, and make the record of it."""

from __future__ import annotations

import gc
import inspect
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily

from flopsight.calls import Operation
from flopsight.errors import FlopsightError, InputError, ModelError, UnknownOperatorError
from flopsight.profiles import Profile
from flopsight.tracing.again import runs
from flopsight.tracing.attempts import traced
from flopsight.tracing.constructs.autocast import cleared_store
from flopsight.tracing.constructs.distributed import awaited_gradients
from flopsight.tracing.constructs.finish import finished
from flopsight.tracing.constructs.nested import packed
from flopsight.tracing.constructs.threads import gathered
from flopsight.tracing.dispatch import Dispatcher
from flopsight.tracing.given.exported import opened
from flopsight.tracing.given.hints import hinted
from flopsight.tracing.given.inputs import arguments, describe, tensors_in
from flopsight.tracing.given.signature import Signature
from flopsight.tracing.given.tensors import given_tensors
from flopsight.tracing.metadata import sizing
from flopsight.tracing.request import Model, Request, check_proposals, check_step, unwrapped
from flopsight.tracing.scopes import Scopes
from flopsight.tracing.sizing.naming import closed_form, names_in
from flopsight.tracing.training.optimizers import OptimizerOf
from flopsight.tracing.training.step import MemoryDispatcher, Step
from flopsight.tracing.untouched import leftover
from flopsight.tracing.untouched.others import OtherThreads
from flopsight.tracing.values.assumed import assumes

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def profile(
    model: Model | ExportedProgram,
    inputs: Any = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    backward: bool = False,
    execute: bool = False,
    strict: bool = False,
    proposals: int | None = None,
    loss: Callable[[Any], Any] | None = None,
    optimizer: OptimizerOf | None = None,
    memory: bool = False,
) -> Profile:
    """What it costs to call `model` on `inputs`. Nothing is computed, and the model is left as it was.

    model: a module, any callable that runs PyTorch code, or a program made by `torch.export`.
    inputs: a tensor, a shape (`(1, 3, 224, 224)`), a `flopsight.spec`, a dict of those (keyword arguments), or a list
        or tuple of those (positional arguments); other values are passed on as they are, and a tuple of integers that
        is no shape as `flopsight.plain((16, 16))`. None for a model without any, and for an exported program's own.
    kwargs: keyword arguments, given in the same ways.
    backward: count the backward pass too, from all outputs (from `loss` alone if the output has one).
    execute: run on real tensors, for models whose control flow depends on values; the count is the same.
    strict: refuse a model with operators whose cost is unknown.
    proposals: wherever values decide how many elements are taken (`nonzero`, a mask, non-maximum suppression,
        `unique`), so many are assumed, or all where there are fewer; a note says so. For detection models.
    loss: what the backward pass begins with, as a function of what the model returns.
    optimizer: its step is counted too, as it is when its state is there: a class (`torch.optim.AdamW`), a function that
        makes one of the parameters, or the model's own, which is left as it was.
    memory: follow the life of every storage (`profile.memory`). The gradients are None when such a step begins.

    Raises: InputError, ModelError (the model's own error is the cause), NeedsValuesError, UnknownOperatorError.
    """
    check_proposals(proposals, execute=execute)
    model, inputs, kwargs = opened(model, inputs, kwargs)
    run, module = unwrapped(model)
    check_step(loss, optimizer, backward=backward, execute=execute)
    given = arguments(inputs, kwargs, Signature(run))
    request = Request(run, module, *given, backward, execute, proposals, loss, optimizer, memory)
    if uses := names_in((request.args, request.kwargs)):
        if execute:
            raise InputError("A run on real tensors needs a number for each size; give numbers, or leave execute out.")
        if memory:
            raise InputError("Memory is followed at numbers; give one for each size, or leave memory out.")

        def at(args: Any, kwargs: Any) -> Profile:
            return _profiled(replace(request, args=args, kwargs=kwargs), strict=strict)

        return closed_form(at, request.args, request.kwargs, uses, _later(request, strict=strict))
    return _profiled(request, strict=strict)


def _later(request: Request, *, strict: bool) -> Callable[[Any, Any], Profile]:
    """Makes a profile of the same model later on, if it is still there: it is not kept."""
    held: Any = weakref.WeakMethod(request.run) if inspect.ismethod(request.run) else weakref.ref(request.run)

    def again(args: Any, kwargs: Any) -> Profile:
        run = held()
        if run is None:
            raise InputError("The model that this closed form was made of is no longer there to be run again.")
        _, module = unwrapped(run)
        return _profiled(replace(without, run=run, module=module, args=args, kwargs=kwargs), strict=strict)

    without = replace(request, run=_gone, module=None, args=(), kwargs={})
    return again


def _gone() -> None:
    """Stands for a model that is not kept."""


def _profiled(request: Request, *, strict: bool) -> Profile:
    if (known := runs.recorded(request)) is not None:
        return known
    before, others = leftover.alive(), OtherThreads()
    with _no_collection(), unset_fake_temporarily():
        try:
            record = _traced(request)
        except ModelError as error:
            if sizing.get() is not None:
                raise
            raise hinted(error, (request.args, request.kwargs), partial(_runs_on, request)) from error.__cause__
        leftover.warn_of_leftovers(before, others)
    if strict and record.unknown:
        raise UnknownOperatorError(_unknown_sentence(record))
    return record


def _traced(request: Request) -> Profile:
    """The profile of a request, in the cheapest way that will do."""
    forward_alone = request.run is request.module and not request.backward
    below_autograd = forward_alone and not request.execute and not request.memory
    at_once = request.execute or not assumes((request.args, request.kwargs))
    return traced(partial(_trace, request), request.module, below_autograd=below_autograd, at_once=at_once)


def _runs_on(request: Request, args: Any, kwargs: Any) -> None:
    """Run the forward of a request on other arguments. Raises: FlopsightError."""
    _traced(replace(request, args=args, kwargs=kwargs, backward=False, execute=False))


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection: it would find nothing here, and takes as long as the run."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _trace(request: Request, *, below_autograd: bool, at_once: bool) -> Profile:
    """Run the request under a dispatcher.

    below_autograd: without autograd, which takes half the time, for a forward of a module. at_once: integers given by
    shape are made at once. Code that asks for gradients (NeedsAutograd), or fails for want of either (ModelError), has
    to be run again.
    """
    scopes = Scopes(restore=True)
    state = scopes.state
    state.wrappers.reduces = request.execute
    scopes.root(request.name, request.module)
    state.reach(request.run, request.args, request.kwargs, request.loss, request.optimizer)
    if scopes.modules.uninitialized:
        raise InputError(
            f"The parameters of module {scopes.modules.uninitialized[0]!r} have no shape yet (a lazy module); call the "
            "model once on a real input, then profile it."
        )
    dispatcher = (MemoryDispatcher if request.memory else Dispatcher)(
        scopes, execute=request.execute, protect=True, below_autograd=below_autograd, proposals=request.proposals
    )
    signature = Signature(request.run)
    say = dispatcher.ledger.assume
    args, kwargs = given_tensors(
        request.args, request.kwargs, scopes.modules, signature, say, execute=request.execute, at_once=at_once
    )
    scopes.graded = any(tensor.requires_grad for tensor in tensors_in((request.args, request.kwargs)))
    if request.execute:
        held = [*scopes.modules.parameters(), *(packed(t) if t.is_nested else t for t in tensors_in((args, kwargs)))]
        dispatcher.tensors.keep(held, request.module.buffers() if request.module is not None else ())
        dispatcher.tensors.reached = state.tensors
    about = request.about(args, kwargs)
    watch = runs.Watch(request) if below_autograd else None
    try:
        with watch or nullcontext():
            _run(request, args, kwargs, scopes, dispatcher)
    finally:
        scopes.forget()
    record = record_of(request.name, scopes, dispatcher, about)
    if watch is not None:
        watch.keep((args, kwargs), dispatcher, record)
    return record


def _run(request: Request, args: Any, kwargs: dict[str, Any], scopes: Scopes, dispatcher: Dispatcher) -> None:
    try:
        with cleared_store(), scopes.watching(), dispatcher.active():
            _run_model(request, args, kwargs, scopes, dispatcher)
    finally:
        dispatcher.tensors.restore()


def _run_model(request: Request, args: Any, kwargs: dict[str, Any], scopes: Scopes, dispatcher: Dispatcher) -> None:
    try:
        with torch.enable_grad() if request.backward else nullcontext():
            if request.backward or request.memory:
                step = Step(request.loss, request.optimizer, scopes, dispatcher)
                step.run(partial(request.run, *args, **kwargs), (args, kwargs), backward=request.backward)
            else:
                finished(request.run(*args, **kwargs))
    except FlopsightError:
        raise
    except Exception as error:
        if awaited_gradients(error):
            raise InputError(
                "A DistributedDataParallel model has run a forward whose backward has not run yet, and waits for "
                "its gradients; run that backward first, or profile the model inside (model.module)."
            ) from error
        raise ModelError(_model_sentence(error, scopes, args, kwargs)) from error


def _model_sentence(error: Exception, scopes: Scopes, args: Any, kwargs: Any) -> str:
    given = ", ".join([*map(str, describe(args)), *(f"{k}={v}" for k, v in describe(kwargs).items())])
    node = scopes.modules.nodes[scopes.failed or ""]
    where = f"module {node.path!r} ({node.kind})" if node.path else node.kind
    text = str(error).strip().rstrip(".")
    return f"The model's own code failed in {where}: {type(error).__name__}: {text}. It was called with ({given})."


def _unknown_sentence(record: Profile) -> str:
    first = [
        f"{name} (first called at {kinds[0].site or 'no line of yours'})" for name, kinds in record.unknown.items()
    ]
    return (
        f"The cost of {len(first)} operator{'s' * (len(first) > 1)} is unknown: {'; '.join(first)}. "
        "Give each a rule with flopsight.formula, or leave strict out for a lower bound."
    )


def record_of(name: str, scopes: Scopes, dispatcher: Dispatcher, about: dict[str, Any]) -> Profile:
    """What a dispatcher booked, as a record."""
    index: dict[Operation, int] = {}
    where, made = gathered(dispatcher)
    calls = [(index.setdefault(op, len(index)), scope, phase) for op, scope, phase in made]
    notes = list(dispatcher.ledger.notes)
    storages = dispatcher.storages.all if isinstance(dispatcher, MemoryDispatcher) and dispatcher.storages else []
    return Profile(name, list(index), where, calls, scopes.modules.nodes, storages, notes=notes, about=about)
