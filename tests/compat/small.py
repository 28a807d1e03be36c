"""Small models, and what must be the same of a model before and after it was counted."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Block(nn.Module):
    """A layer, an activation that is used twice, and a matrix product that is no layer."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.act(self.linear(x)) @ torch.ones(x.shape[-1], x.shape[-1]))


class ByValue(nn.Module):
    """Its control flow depends on values, which a run without computing does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.block(x)
        return self.block(x) if bool((x.sum() >= 0).item()) else x


def convnet() -> nn.Sequential:
    """Layers only, each called once, so that every tool sees all of it."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Sequential(nn.Conv2d(6, 4, 1, stride=2, bias=False), nn.AvgPool2d(2)),
        nn.Flatten(),
        nn.Linear(16, 5),
    )


IMAGE = (3, 16, 16)


def state(model: nn.Module) -> dict[str, Any]:
    """Everything that a counter could change."""
    modules = dict(model.named_modules())
    tensors = model.state_dict(keep_vars=True)
    return {
        "attributes": {path: sorted(module.__dict__) for path, module in modules.items()},
        "training": {path: module.training for path, module in modules.items()},
        "hooks": {
            path: len(module._forward_hooks) + len(module._forward_pre_hooks) for path, module in modules.items()
        },
        "tensors": {name: (id(tensor), tensor._version) for name, tensor in tensors.items()},
        "classes": [type(module).__call__ for module in modules.values()],
        "everywhere": len(nn.modules.module._global_forward_hooks) + len(nn.modules.module._global_forward_pre_hooks),
        "random": torch.get_rng_state().tolist(),
    }
