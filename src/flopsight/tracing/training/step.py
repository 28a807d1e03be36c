"""A run whose memory is followed, and a training step as a whole: loss, backward pass, optimizer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from flopsight.calls import BUFFERS, GRADIENTS, INPUTS, OUTPUTS, PARAMETERS, STATE
from flopsight.tracing.booking import Booking
from flopsight.tracing.constructs.finish import finished
from flopsight.tracing.dispatch import Dispatcher
from flopsight.tracing.given.inputs import tensors_in
from flopsight.tracing.memo import Memo
from flopsight.tracing.memory.storages import Storages
from flopsight.tracing.scopes import Scopes
from flopsight.tracing.training.backward import run_backward
from flopsight.tracing.training.optimizers import OptimizerOf, optimizer_of, parameters_of, prepare

_MEMO = Memo()
"""Calls without composite ones: what these make on the way is part of what is followed."""


class MemoryDispatcher(Dispatcher):
    """Follows the storages of what it sees, from when it is given some `storages` to note them in."""

    storages: Storages | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.proposals is None:  # else it remembers for itself alone
            self._memo = _MEMO.current()

    def keep_modules(self) -> None:
        """Note the parameters and buffers of the modules met."""
        for tensor in self.scopes.modules.tensors:
            self._keep([tensor], PARAMETERS if isinstance(tensor, nn.Parameter) else BUFFERS, tensor)

    def step_begins(self, optimizer: Optimizer) -> None:
        """Note the parameters and gradients that an optimizer steps by."""
        for parameter in parameters_of(optimizer):
            self._keep([parameter], PARAMETERS, parameter)
            self._keep([parameter.grad], GRADIENTS, parameter)

    def step_ends(self, optimizer: Optimizer) -> None:
        """Note the state that an optimizer keeps."""
        for parameter, state in optimizer.state.items():
            self._keep(state.values(), STATE, parameter)

    def finish(self) -> None:
        """Follow nothing any more."""
        if self.storages is not None:
            self.keep_modules()
            for parameter in self.scopes.modules.parameters():
                self._keep([parameter.grad], GRADIENTS, parameter)
            self.storages.stop()

    def _keep(self, values: Iterable[Any], kind: str, parameter: torch.Tensor) -> None:
        """Note what the tensors among some values are kept for, by the module that holds a parameter."""
        if self.storages is not None:
            held = self.scopes.modules.held.get(id(parameter))
            tensors = [value for value in values if isinstance(value, torch.Tensor)]
            self.storages.keep(tensors, kind, None if held is None else held.path)

    def beside(self, scopes: Scopes) -> Booking:
        """A dispatcher for work of the same run in another thread, which notes what it makes in the same place."""
        beside = super().beside(scopes)
        assert isinstance(beside, MemoryDispatcher)
        beside.storages = self.storages
        return beside

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = super().__torch_dispatch__(func, types, args, kwargs)
        if self.storages is not None and isinstance(func, torch._ops.OpOverload) and results is not NotImplemented:
            self.storages.made(func, args, kwargs or {}, results)
        return results


class Step:
    """The parts of a run after the forward, if there are any, and the following of its memory, if that is asked for."""

    def __init__(
        self, loss: Callable[[Any], Any] | None, optimizer: OptimizerOf | None, scopes: Scopes, dispatcher: Dispatcher
    ) -> None:
        self._loss = loss
        self._scopes = scopes
        self._dispatcher = dispatcher
        self._optimizer = None if optimizer is None else optimizer_of(optimizer, list(scopes.modules.parameters()))

    def run(self, forward: Callable[[], Any], given: Any, *, backward: bool) -> None:
        """Run it: a forward, and with `backward` what follows."""
        if self._optimizer is not None:
            self._optimizer.state = defaultdict(dict)
            with self._scopes.quiet():
                prepare(self._optimizer)
        storages = self._follow(given)
        output = finished(forward())
        if storages is not None:
            outputs = self._scopes.state.tensors_below(output)  # in a cache too, which is an object of its own
            storages.keep(outputs, OUTPUTS)
            if not backward and any(tensor.requires_grad for tensor in outputs):
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
        self._dispatcher.keep_modules()
        storages.keep(tensors_in(given), INPUTS)
        if self._optimizer is not None:
            self._dispatcher.step_ends(self._optimizer)
        return storages
