"""What is asked of a run: the model, what it is called with, and how it is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from flopsight.errors import InputError
from flopsight.tracing.constructs.compiled import original
from flopsight.tracing.given.inputs import describe
from flopsight.tracing.training.optimizers import OptimizerOf

Model = nn.Module | Callable[..., Any]


@dataclass(frozen=True)
class Request:
    """What to run, the module whose paths are the profile's, and how."""

    run: Model
    module: nn.Module | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    backward: bool
    execute: bool
    proposals: int | None
    loss: Callable[[Any], Any] | None = None
    optimizer: OptimizerOf | None = None
    memory: bool = False

    @property
    def name(self) -> str:
        """The model's."""
        named = self.run if self.module is None else type(self.module)
        return str(getattr(named, "__name__", type(named).__name__))

    def about(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """What a record says of the run."""
        given = [*describe(args), *([describe(kwargs)] if kwargs else [])]
        return {"inputs": given, "backward": self.backward, "execute": self.execute, "torch": torch.__version__}


def check_proposals(proposals: int | None, *, execute: bool) -> None:
    """Raises: InputError."""
    if proposals is None:
        return
    if execute:
        raise InputError("A run with execute=True has the real number of elements; leave proposals out, or execute.")
    if type(proposals) is not int or proposals < 1:
        raise InputError(f"proposals={proposals!r} is no number of elements; give an integer of at least 1.")


def check_step(loss: Any, optimizer: Any, *, backward: bool, execute: bool) -> None:
    """Raises: InputError."""
    for name, given in (("loss", loss), ("optimizer", optimizer)):
        if given is not None and not backward:
            raise InputError(f"{name}= belongs to a training step; pass backward=True too, or leave {name} out.")
    if optimizer is not None and execute:
        raise InputError("A step of an optimizer is counted without computing; leave execute out, or optimizer.")


def unwrapped(model: Any) -> tuple[Model, nn.Module | None]:
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
