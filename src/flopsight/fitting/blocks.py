"""The repeated blocks of a model, and running them with activation checkpointing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import groupby

from torch import nn
from torch.utils.checkpoint import checkpoint


def repeated_blocks(model: nn.Module) -> list[nn.Module]:
    """The modules that a model is a row of: all of the class of which most follow each other in one list.

    A list is an `nn.ModuleList` or `nn.Sequential` that is not inside a block of another; blocks have parameters.
    """
    runs = sorted(_runs(model), key=len, reverse=True)
    if not runs:
        return []
    kind = type(runs[0][0])
    return list(_outermost(model, kind))


def _runs(module: nn.Module) -> Iterator[list[nn.Module]]:
    """Modules of one class that follow each other in a list, and have parameters; not those inside such modules."""
    inside = list(module.children())
    if isinstance(module, nn.ModuleList | nn.Sequential):
        for _, group in groupby(module.children(), key=type):
            run = list(group)
            if len(run) > 1 and any(True for _ in run[0].parameters()):
                inside = [child for child in inside if child not in run]
                yield run
    for child in inside:
        yield from _runs(child)


def _outermost(module: nn.Module, kind: type[nn.Module]) -> Iterator[nn.Module]:
    for child in module.children():
        if type(child) is kind:
            yield child
        else:
            yield from _outermost(child, kind)


def checkpointed(model: nn.Module) -> None:
    """Have each repeated block keep no more than its input for the backward pass, and run its forward again in it."""
    for block in repeated_blocks(model):
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
