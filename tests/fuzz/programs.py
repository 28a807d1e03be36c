"""Random programs: a seed gives a module and its input. A program looks at its tensors' shapes, strides, dtypes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
from fuzz import notes
from fuzz.operators import MAKERS
from torch import nn

Step = Callable[[list[torch.Tensor]], Any]

INPUTS = [(2, 6), (4, 6, 8), (2, 4, 6, 6), (1, 4, 8, 8), (2, 3, 5), (3, 1, 4), (2, 2, 4, 5, 6), (6,)]
LARGEST = 5_000


def laid_out(tensor: torch.Tensor, draw: random.Random) -> torch.Tensor:
    """The same values in another layout: as they are, transposed, with gaps, repeated by stride 0, channels last."""
    how = draw.randrange(6)
    if how == 1 and tensor.dim() > 1:
        one, other = draw.sample(range(tensor.dim()), 2)
        return tensor.transpose(one, other).contiguous().transpose(one, other)
    if how == 2:
        wide = torch.zeros(*tensor.shape[:-1], tensor.shape[-1] * 2, dtype=tensor.dtype)
        wide[..., ::2] = tensor
        return wide[..., ::2]
    if how == 3:
        return tensor[:1].expand_as(tensor)
    if how == 4 and tensor.dim() > 2:
        return tensor.movedim(1, -1).contiguous().movedim(-1, 1)
    return tensor


class Program(nn.Module):
    """Steps planned on real tensors, replayed on whatever tensors are given; what was seen of them is in `notes.trace`.

    Each step draws the same random numbers whenever it runs, so that none meets values that it was not planned on.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.seed = seed * 100
        draw = random.Random(seed)
        self.layers = nn.ModuleList()
        self.steps: list[tuple[str, Step]] = []
        self.given = laid_out(torch.rand(draw.choice(INPUTS)) + 0.1, draw).requires_grad_(draw.random() < 0.5)
        self.train(draw.random() < 0.5)
        values = [self.given]
        for _ in range(draw.randrange(4, 14)):
            self._plan(values, draw)

    def _plan(self, values: list[torch.Tensor], draw: random.Random) -> None:
        """Add a step that PyTorch accepts, if one is found."""
        for _ in range(6):
            name, maker = draw.choice(MAKERS)
            at = len(values) - 1 if draw.random() < 0.7 else draw.randrange(len(values))
            other = draw.randrange(len(values))
            count = len(self.layers)
            kept = [value.clone() for value in values]
            try:
                step = maker(draw, values, at, other, self._layer)
                torch.manual_seed(self.seed + len(self.steps))
                results = _tensors(step(values)) if step is not None else []
            except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError):
                results = []
            usable = results and all(
                0 < r.numel() <= LARGEST and torch.isfinite(r.detach().double()).all() for r in results
            )
            if usable:
                self.steps.append((name, step))
                values += results
                return
            del self.layers[count:]
            for value, before in zip(values, kept, strict=True):
                if value.shape == before.shape and not torch.equal(value, before):
                    value.data.copy_(before)

    def _layer(self, layer: nn.Module) -> nn.Module:
        layer.train(self.training)
        self.layers.append(layer)
        return layer

    def forward(self, given: torch.Tensor) -> list[torch.Tensor]:
        """Replay; the floating-point results, each reduced to a number."""
        values = [given]
        notes.begin()
        for at, (name, step) in enumerate(self.steps):
            torch.manual_seed(self.seed + at)
            results = _tensors(step(values))
            notes.note(name, results)
            values += results
        return [v for v in values[1:] if v.is_floating_point()]


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for item in value for t in _tensors(item)] if isinstance(value, (list, tuple)) else []
