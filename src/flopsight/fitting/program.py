"""A way to run a model, as a copy of it that is changed, and what of it could be changed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import Any

import torch
from torch import nn

from flopsight.fitting.blocks import checkpointed, repeated_blocks
from flopsight.fitting.inputs import InputsAt
from flopsight.fitting.optimizers import AdamW8bit, sgd, sgd_momentum
from flopsight.fitting.stand_in import stand_in
from flopsight.profiles import Profile
from flopsight.tracing.fake import metadata_of
from flopsight.tracing.metadata import CPU
from flopsight.tracing.tracer import profile
from flopsight.tracing.training.backward import begin_backward
from flopsight.tracing.training.optimizers import OptimizerOf

Loss = Callable[[Any], Any]


@dataclass(frozen=True)
class Program:
    """A call of a model, or a training step.

    proposals: as for `flopsight.profile`. dtype: of all floating-point parameters and buffers, None for those they
    have. autocast: what forward and loss are cast to, None without. checkpointed: whether repeated blocks run again in
    the backward pass. micro_batches: in how many parts a batch is run, whose gradients are added up.
    """

    model: nn.Module
    inputs_at: InputsAt
    backward: bool
    loss: Loss | None
    optimizer: OptimizerOf | None
    proposals: int | None = None
    dtype: torch.dtype | None = None
    autocast: torch.dtype | None = None
    checkpointed: bool = False
    micro_batches: int = 1

    def run(self, batch: int) -> Profile:
        """The profile of a step on `batch` examples, with its memory followed. Raises: FlopsightError."""
        model, loss = stand_in(self.model, self.dtype), self.loss
        inputs, kwargs = self.inputs_at(-(-batch // self.micro_batches))
        if self.checkpointed:
            checkpointed(model)
            if "use_cache" in inspect.signature(model.forward).parameters:  # blocks that run again would fill it twice
                kwargs = {"use_cache": False, **kwargs}
        if self.autocast is not None:
            device = next((metadata_of(parameter).device for parameter in model.parameters()), CPU)
            cast = partial(_cast, device=device.type, dtype=self.autocast)
            model.forward, loss = cast(model.forward), None if loss is None else cast(loss)
        if self.micro_batches > 1:
            model.forward = _twice(model.forward, loss)
        with torch.set_grad_enabled(self.backward):
            return profile(
                model,
                inputs,
                kwargs=kwargs,
                backward=self.backward,
                loss=loss,
                optimizer=self.optimizer,
                proposals=self.proposals,
                memory=True,
            )


def changed(program: Program, micro_batches: int) -> Iterator[tuple[str, int, Program]]:
    """The program with each change that it could have: what is changed, how many things are, and the program."""
    floating = {p.dtype for p in program.model.parameters() if p.dtype.is_floating_point}
    possible = {
        "dtype": bool(floating - {torch.bfloat16}),
        "autocast": torch.float32 in floating,
        "optimizer": program.optimizer is not None,
        "checkpointed": program.backward and bool(repeated_blocks(program.model)),
        "micro_batches": program.backward and micro_batches > 1,
    }
    for name, change in _changes(micro_batches):
        does_something = all(getattr(program, field) != value for field, value in change.items())
        if does_something and all(possible[field] for field in change):
            yield name, len(change), replace(program, **change)


def _changes(micro_batches: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What could be changed, by the fields of a program: one thing each, then several that go together."""
    parameters, cast = {"dtype": torch.bfloat16}, {"autocast": torch.bfloat16}
    small, again, parts = {"optimizer": AdamW8bit}, {"checkpointed": True}, {"micro_batches": micro_batches}
    yield "bf16 parameters", parameters
    yield "autocast bf16", cast
    yield "SGD", {"optimizer": sgd}
    yield "SGD, momentum", {"optimizer": sgd_momentum}
    yield "AdamW", {"optimizer": torch.optim.AdamW}
    yield "8-bit AdamW", small
    yield "Adafactor", {"optimizer": torch.optim.Adafactor}
    yield "checkpointing", again
    yield f"{micro_batches} micro-batches", parts
    yield "checkpointing, autocast bf16", {**again, **cast}
    yield "checkpointing, bf16 parameters", {**again, **parameters}
    yield "checkpointing, bf16 parameters, 8-bit AdamW", {**again, **parameters, **small}


def _cast(run: Callable[..., Any], *, device: str, dtype: torch.dtype) -> Callable[..., Any]:
    """The same under autocast."""

    @wraps(run)
    def cast(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast(device, dtype):
            return run(*args, **kwargs)

    return cast


def _twice(forward: Callable[..., Any], loss: Loss | None) -> Callable[..., Any]:
    """A forward after a step that leaves its gradients: the second micro-batch, and those after it are no different."""

    @wraps(forward)
    def second(*args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        begin_backward(output if loss is None else loss(output))
        del output
        return forward(*args, **kwargs)

    return second
