"""A run whose memory is followed, and a training step as a whole: loss, backward pass, optimizer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from flopsight.calls import BUFFERS, INPUTS, OUTPUTS, PARAMETERS, STATE
from flopsight.errors import InputError
from flopsight.tracing.backward import run_backward
from flopsight.tracing.booking import Booking
from flopsight.tracing.dispatch import Dispatcher
from flopsight.tracing.fake import make, metadata_of
from flopsight.tracing.finish import finished
from flopsight.tracing.inputs import tensors_in
from flopsight.tracing.memo import Memo
from flopsight.tracing.scopes import Scopes
from flopsight.tracing.storages import Storages

_MEMO = Memo()
"""Calls without composite ones: what these make on the way is part of what is followed."""


class MemoryDispatcher(Dispatcher):
    """Follows the storages of what it sees, from when it is given some `storages` to note them in."""

    storages: Storages | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._memo = _MEMO.current()

    def beside(self, scopes: Scopes) -> Booking:
        """A dispatcher for work of the same run in another thread, which notes what it makes in the same place."""
        beside = super().beside(scopes)
        assert isinstance(beside, MemoryDispatcher)
        beside.storages = self.storages
        return beside

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = super().__torch_dispatch__(func, types, args, kwargs)
        if self.storages is not None and isinstance(func, torch._ops.OpOverload) and results is not NotImplemented:
            self.storages.made(func, args, results)
        return results


OptimizerOf = Optimizer | Callable[[Iterable[nn.Parameter]], Optimizer]


class Step:
    """The parts of a run after the forward, if there are any, and the following of its memory, if that is asked for."""

    def __init__(
        self, loss: Callable[[Any], Any] | None, optimizer: OptimizerOf | None, scopes: Scopes, dispatcher: Dispatcher
    ) -> None:
        self._loss = loss
        self._scopes = scopes
        self._dispatcher = dispatcher
        self._optimizer = None if optimizer is None else optimizer_of(optimizer, scopes.modules.parameters())

    def run(self, forward: Callable[[], Any], given: Any, *, backward: bool) -> None:
        """Run it: a forward, and with `backward` what follows."""
        if self._optimizer is not None:
            self._optimizer.state = defaultdict(dict)
            with self._scopes.muted():
                prepare(self._optimizer)
        storages = self._follow(given)
        output = finished(forward())
        if storages is not None:
            storages.keep(tensors_in(output), OUTPUTS)
            if not backward and any(tensor.requires_grad for tensor in tensors_in(output)):
                storages.keep_saved()
        if backward:
            run_backward(output if self._loss is None else self._loss(output), self._scopes.state)
            if storages is not None:
                storages.keep_gradients(self._scopes.state.gradients)
        if self._optimizer is not None:
            self._optimizer.step()
        if storages is not None:
            storages.stop()

    def _follow(self, given: Any) -> Storages | None:
        if not isinstance(self._dispatcher, MemoryDispatcher):
            return None
        self._dispatcher.storages = storages = Storages(self._dispatcher.ledger)
        modules = self._scopes.modules
        for tensor in modules.tensors:
            kind = PARAMETERS if isinstance(tensor, nn.Parameter) else BUFFERS
            storages.keep([tensor], kind, modules.held[id(tensor)].path)
        storages.keep(tensors_in(given), INPUTS)
        if self._optimizer is not None:
            for parameter, state in self._optimizer.state.items():
                held = modules.held.get(id(parameter))
                tensors = [value for value in state.values() if isinstance(value, torch.Tensor)]
                storages.keep(tensors, STATE, None if held is None else held.path)
        return storages


def optimizer_of(given: Any, parameters: list[nn.Parameter]) -> Optimizer:
    """The optimizer itself, or the one that a class or function makes of the parameters that are trained.

    Raises: InputError.
    """
    if isinstance(given, Optimizer):
        return given
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        raise InputError("optimizer= was given, but the model has no parameter that requires a gradient; unfreeze one.")
    made = given(trained) if callable(given) else None
    if not isinstance(made, Optimizer):
        raise InputError(
            f"optimizer={given!r} makes no optimizer; give a class (torch.optim.AdamW), a function of the parameters "
            "(lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9)), or an optimizer of the model's own."
        )
    return made


def parameters_of(optimizer: Optimizer) -> list[torch.Tensor]:
    """What an optimizer steps."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def prepare(optimizer: Optimizer) -> None:
    """Give an optimizer the state that it has after a first step, which is made of stand-ins and not booked."""
    trained = [parameter for parameter in parameters_of(optimizer) if parameter.requires_grad]
    torch.autograd.backward(trained, [make(metadata_of(parameter)) for parameter in trained])
    optimizer.step()
    for parameter in parameters_of(optimizer):
        parameter.grad = None
