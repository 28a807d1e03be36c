"""What the CPU's allocator really did, by PyTorch's own profiler."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity
from torch.profiler import profile as traced


def peak_bytes(step: Callable[[], Any]) -> int:
    """The most bytes that a call has allocated at once."""
    with traced(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        step()
    events = run.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    peak = now = 0
    for _, nbytes in changes:
        now += nbytes
        peak = max(peak, now)
    return peak


def storage_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """The bytes of the storages of tensors, each once."""
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values())


def step_bytes(
    model: nn.Module, given: list[torch.Tensor], loss: Callable[[Any], torch.Tensor], optimizer: torch.optim.Optimizer
) -> int:
    """The peak of a training step that is not the first, with what is there before."""

    def step() -> None:
        out = model(*given)
        loss(out).backward()
        optimizer.step()

    step()
    optimizer.zero_grad()
    state = [v for held in optimizer.state.values() for v in held.values() if isinstance(v, torch.Tensor)]
    before = storage_bytes([*model.parameters(), *model.buffers(), *state, *given])
    peak = before + peak_bytes(step)
    optimizer.zero_grad()
    return peak
