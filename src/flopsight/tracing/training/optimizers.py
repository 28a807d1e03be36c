"""Optimizers: by name, of a model's parameters, and with the state that they have after a first step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from flopsight.errors import InputError, near
from flopsight.tracing.fake import make, metadata_of

OptimizerOf = Optimizer | Callable[[Iterable[nn.Parameter]], Optimizer]


def named(name: str) -> type[Optimizer]:
    """The optimizer of PyTorch's with that name, in whatever case: `adamw`. Raises: InputError with near matches."""
    known = {
        key.lower(): value
        for key, value in vars(torch.optim).items()
        if isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer
    }
    found = known.get(name.lower())
    if found is None:
        raise InputError(f"torch.optim has no optimizer {name!r}.{near(name.lower(), list(known))}")
    return found


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
            "(lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9)), or the model's own."
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
