"""What programs saw. Kept in a module, which a profile does not follow: it puts back all else that a model changes."""

from __future__ import annotations

import torch

Seen = tuple[tuple[int, ...], tuple[int, ...], torch.dtype]

trace: list[tuple[str, list[Seen]]] = []
"""By step of the program called last: its name, and what was seen of each of its results."""


def seen(tensor: torch.Tensor) -> Seen:
    """What a program can see of a tensor without looking at values."""
    return tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype


def begin() -> None:
    """Forget the program called before."""
    trace.clear()


def note(step: str, results: list[torch.Tensor]) -> None:
    """Add what is seen of a step's results."""
    trace.append((step, [seen(result) for result in results]))
