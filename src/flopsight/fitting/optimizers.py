"""Optimizers by name, and one whose state is of 8 bits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from flopsight.errors import InputError
from flopsight.tracing.training import optimizers
from flopsight.tracing.training.optimizers import OptimizerOf

BLOCK_ELEMS = 2048
"""How many elements of a state share a scale in 8-bit optimizers."""


class AdamW8bit(Optimizer):
    """The memory of Adam with both states in 8 bits (Dettmers et al., 2022, "8-bit Optimizers via Block-wise
    Quantization"): a byte for each element, and for each block of 2,048 a scale of 32 bits.

    It is there to follow memory: as the published kernel, a step changes parameters and states in place, and takes
    nothing besides. The tables of 256 values are left out.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Make the states of each parameter, and change it."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    blocks = -(-parameter.numel() // BLOCK_ELEMS)
                    for name in ("exp_avg", "exp_avg_sq"):
                        state[name] = torch.zeros_like(parameter, dtype=torch.uint8)
                        state[f"{name}_scale"] = torch.zeros(blocks, dtype=torch.float32, device=parameter.device)
                parameter.add_(parameter.grad)


def sgd(parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Stochastic gradient descent, which has no state."""
    return torch.optim.SGD(parameters, lr=0.1)


def sgd_momentum(parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Stochastic gradient descent with momentum."""
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


OURS: dict[str, OptimizerOf] = {"sgd": sgd, "sgd-momentum": sgd_momentum, "adamw-8bit": AdamW8bit}
"""Those that torch.optim has not, or not without a learning rate."""


def named(optimizer: str | OptimizerOf | None) -> OptimizerOf | None:
    """The optimizer itself, or that of a name: one of ours, or of torch.optim in whatever case.

    Raises: InputError, also for one that already has parameters.
    """
    if isinstance(optimizer, Optimizer):
        raise InputError(
            f"optimizer= is a {type(optimizer).__name__} that has its parameters, and what is changed is a copy of the "
            "model; give its name, its class, or a function that makes one of the parameters."
        )
    if not isinstance(optimizer, str):
        return optimizer
    if optimizer.lower() in OURS:
        return OURS[optimizer.lower()]
    try:
        return optimizers.named(optimizer)
    except InputError as error:
        raise InputError(f"{error} Besides there are {', '.join(OURS)}.") from None
