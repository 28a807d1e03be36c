"""The repeated blocks of a model, and running them with activation checkpointing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import groupby

from torch import nn
from torch.utils.checkpoint import checkpoint


def repeated_blocks(model: nn.Module) -> list[nn.Module]:
    """The modules that a model is a row of: all of the class of which most follow each other in one list.

    A list is an `nn.ModuleList` or `nn.Sequential` that is not inside such a module; blocks have parameters.
    """
    longest = max(_all_rows(model), key=len, default=[])
    return list(_outermost(model, type(longest[0]))) if longest else []


def _all_rows(module: nn.Module) -> Iterator[list[nn.Module]]:
    """The rows in a module and all below it, those inside of others left out."""
    rows = _rows(module)
    yield from rows
    for child in module.children():
        if not any(child is each for row in rows for each in row):
            yield from _all_rows(child)


def _rows(module: nn.Module) -> list[list[nn.Module]]:
    """Modules of one class that follow each other in a list, and have parameters; a list of such lists is none."""
    if not isinstance(module, nn.ModuleList | nn.Sequential):
        return []
    rows = [list(row) for _, row in groupby(module.children(), key=type)]
    return [row for row in rows if len(row) > 1 and any(True for _ in row[0].parameters()) and not any(map(_rows, row))]


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
