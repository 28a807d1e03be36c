"""`profile` and `Profiler`: run code under the dispatcher, and make the record of it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import torch
from torch import nn
from torch._subclasses.fake_tensor import unset_fake_temporarily

from flopsight.errors import FlopsightError, InputError, ModelError, UnknownOperatorError
from flopsight.record import Operation, Profile
from flopsight.tracing import leftover
from flopsight.tracing.autocast import cleared_store
from flopsight.tracing.compiled import original
from flopsight.tracing.dispatch import Dispatcher
from flopsight.tracing.distributed import awaited_gradients
from flopsight.tracing.exported import opened
from flopsight.tracing.finish import finished
from flopsight.tracing.given import given_tensors
from flopsight.tracing.grad_mode import NeedsAutograd
from flopsight.tracing.gradients import seed
from flopsight.tracing.hints import hinted
from flopsight.tracing.inputs import arguments, describe, tensors_in
from flopsight.tracing.others import OtherThreads
from flopsight.tracing.scopes import Scopes
from flopsight.tracing.signature import Signature
from flopsight.tracing.state import ModuleState
from flopsight.tracing.threads import gathered

if TYPE_CHECKING:
    from torch.export import ExportedProgram

Model = nn.Module | Callable[..., Any]
_TRACKED: WeakSet[nn.Module] = WeakSet()
"""Modules that turned out to ask for gradients: they are run with autograd at once."""


def profile(
    model: Model | ExportedProgram,
    inputs: Any = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    backward: bool = False,
    execute: bool = False,
    strict: bool = False,
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

    Raises: InputError, ModelError (the model's own error is the cause), NeedsValuesError, UnknownOperatorError.
    """
    model, inputs, kwargs = opened(model, inputs, kwargs)
    run, module = _unwrapped(model)
    request = _Request(run, module, *arguments(inputs, kwargs, Signature(run)), backward=backward, execute=execute)
    before, others = leftover.alive(), OtherThreads()
    with _no_collection(), unset_fake_temporarily():
        try:
            record = _traced(request)
        except ModelError as error:
            raise hinted(error, (request.args, request.kwargs), partial(_runs_on, request)) from error.__cause__
        leftover.warn_of_leftovers(before, others)
    if strict and record.unknown:
        raise UnknownOperatorError(_unknown_sentence(record))
    return record


def _traced(request: _Request) -> Profile:
    """The profile of a request; without autograd if that will do."""
    without = request.run is request.module and not request.backward and not request.execute
    without = without and request.module not in _TRACKED
    try:
        return _trace(request, below_autograd=without)
    except (ModelError, NeedsAutograd) as reason:
        if not without:
            raise
        record = _trace(request, below_autograd=False)
        if request.module is not None and isinstance(reason, NeedsAutograd):
            _TRACKED.add(request.module)
        return record


def _runs_on(request: _Request, args: Any, kwargs: Any) -> None:
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


@dataclass(frozen=True)
class _Request:
    """What to run, the module whose paths are the profile's, and how."""

    run: Model
    module: nn.Module | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    backward: bool
    execute: bool

    @property
    def name(self) -> str:
        named = self.run if self.module is None else type(self.module)
        return str(getattr(named, "__name__", type(named).__name__))

    def about(self, args: Any, kwargs: Any) -> dict[str, Any]:
        given = [*describe(args), *([describe(kwargs)] if kwargs else [])]
        return {"inputs": given, "backward": self.backward, "execute": self.execute, "torch": torch.__version__}


def _trace(request: _Request, *, below_autograd: bool) -> Profile:
    """Run the request under a dispatcher.

    below_autograd: without autograd, which takes half the time, for a forward of a module. Code that asks for gradients
    (NeedsAutograd), or fails for want of them (ModelError), has to be run again with it.
    """
    scopes = Scopes(restore=True)
    state = scopes.state
    state.wrappers.reduces = request.execute
    scopes.root(request.name, request.module)
    state.reach(request.run, request.args, request.kwargs)
    if scopes.modules.uninitialized:
        raise InputError(
            f"The parameters of module {scopes.modules.uninitialized[0]!r} have no shape yet (a lazy module); call the "
            "model once on a real input, then profile it."
        )
    dispatcher = Dispatcher(scopes, execute=request.execute, protect=True, below_autograd=below_autograd)
    signature = Signature(request.run)
    given = given_tensors(request.args, request.kwargs, scopes.modules, signature, execute=request.execute)
    args, kwargs = given.args, given.kwargs
    if request.execute:
        held = [*scopes.modules.parameters(), *tensors_in((args, kwargs))]
        dispatcher.tensors.keep(held, request.module.buffers() if request.module is not None else ())
        dispatcher.tensors.reached = state.tensors
    about = request.about(args, kwargs)
    dispatcher.ledger.notes += given.assumptions
    try:
        _run(request, args, kwargs, scopes, dispatcher)
    finally:
        scopes.forget()
    return _record(request.name, scopes, dispatcher, about)


def _unwrapped(model: Any) -> tuple[Model, nn.Module | None]:
    """What to run, and the module whose paths are the profile's: a compiled one's original, a method's owner."""
    model = original(model)
    if isinstance(model, nn.Module):
        return model, model
    if not callable(model):
        raise InputError(f"The model is {model!r}; give a torch.nn.Module or a function that runs PyTorch code.")
    if isinstance(model, type):
        raise InputError(f"The model is the class {model.__name__}; give an instance of it, {model.__name__}(...).")
    owner = getattr(model, "__self__", None)
    return model, owner if isinstance(owner, nn.Module) else None


def _run(request: _Request, args: Any, kwargs: dict[str, Any], scopes: Scopes, dispatcher: Dispatcher) -> None:
    with ExitStack() as stack:
        stack.callback(dispatcher.tensors.restore)
        stack.enter_context(cleared_store())
        stack.enter_context(scopes.watching())
        stack.enter_context(dispatcher.active())
        try:
            with torch.enable_grad() if request.backward else nullcontext():
                output = finished(request.run(*args, **kwargs))
                if request.backward:
                    _backward(output, scopes.state)
        except FlopsightError:
            raise
        except Exception as error:
            if awaited_gradients(error):
                raise InputError(
                    "A DistributedDataParallel model has run a forward whose backward has not run yet, and waits for "
                    "its gradients; run that backward first, or profile the model inside (model.module)."
                ) from error
            raise ModelError(_model_sentence(error, scopes, args, kwargs)) from error


def _backward(output: Any, state: ModuleState) -> None:
    """The backward pass of the outputs; the gradients it leaves are taken away again."""
    loss = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    outputs = [t for t in tensors_in(loss if isinstance(loss, torch.Tensor) else _plain(output)) if t.requires_grad]
    outputs = outputs or [t for t in state.tensors_below(output) if t.requires_grad]
    if not outputs:
        raise InputError(
            "backward=True, but no output of the model depends on a parameter or input that requires a gradient; "
            "unfreeze one (requires_grad_()), or leave backward out."
        )
    gradients = state.gradients
    gradients.note_graph(outputs)
    gradients.hide()
    torch.autograd.backward(outputs, [seed(t) for t in outputs], retain_graph=gradients.older)


def _plain(output: Any) -> Any:
    """Outputs that are objects of a class of their own, as a dict of their attributes."""
    if isinstance(output, (torch.Tensor, Mapping, tuple, list)) or not hasattr(output, "__dict__"):
        return output
    return dict(vars(output))


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


def _record(name: str, scopes: Scopes, dispatcher: Dispatcher, about: dict[str, Any]) -> Profile:
    index: dict[Operation, int] = {}
    where, made = gathered(dispatcher)
    calls = [(index.setdefault(op, len(index)), scope, phase) for op, scope, phase in made]
    notes = list(dispatcher.ledger.notes)
    return Profile(name, list(index), where, calls, scopes.modules.nodes, notes=notes, about=about)


class Profiler:
    """Counts what runs inside a `with` block of your own: real tensors, a whole training step, several models.

    The code runs as it would without; `profiler.profile` is the result, complete when the block has ended.

        with flopsight.Profiler() as profiler:
            model(x).sum().backward()
            optimizer.step()
        print(profiler.profile)
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._scopes: Scopes | None = None
        self._dispatcher: Dispatcher | None = None

    def __enter__(self) -> Profiler:
        if self._scopes is not None:
            raise InputError("This Profiler has been used; make a new one for another block.")
        self._scopes = Scopes(restore=False)
        self._scopes.root("code", None)
        self._dispatcher = Dispatcher(self._scopes, execute=True, protect=False)
        self._stack.enter_context(self._scopes.watching())
        self._stack.enter_context(self._dispatcher.active())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if self._scopes is not None:
            self._scopes.forget()

    @property
    def profile(self) -> Profile:
        """What ran so far. Raises: InputError before the block has begun."""
        if self._scopes is None or self._dispatcher is None:
            raise InputError("Nothing has run: use the Profiler as `with flopsight.Profiler() as profiler:` first.")
        about = {"inputs": [], "backward": False, "execute": True, "torch": torch.__version__}
        return _record("code", self._scopes, self._dispatcher, about)
