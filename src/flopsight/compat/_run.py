"""What every shim needs: the profile of a model run as the tool would run it, in eval mode and on the same inputs."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_unflatten

import flopsight
from flopsight.errors import InputError, ModelError, NeedsValuesError
from flopsight.profiles import Profile

_Spec = type(flopsight.spec(1))
_modes = threading.RLock()


def measure(
    model: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    execute: bool = False,
    seen: list[Any] | None = None,
) -> Profile:
    """The profile of `model(*args, **kwargs)` in eval mode, as `forward` makes it.

    Operators of unknown cost are warned of. Raises: ModelError, which is also of the type that the model raised.
    """
    with evaluating(model):
        profile = forward(model, args, kwargs, execute=execute, seen=seen)
    if profile.unknown:
        names = ", ".join(profile.unknown)
        warnings.warn(f"The count is a lower bound: flopsight knows no cost for {names}.", stacklevel=3)
    return profile


def forward(
    model: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    execute: bool = False,
    seen: list[Any] | None = None,
) -> Profile:
    """The profile of `model(*args, **kwargs)` in the mode that the model is in.

    Only tensors and `flopsight.spec`s become stand-ins: a tuple of sizes stays what it is. A model whose control flow
    depends on values is run again on real tensors, as the tools do; `seen`, what the caller's hooks noted, is emptied
    before.

    Raises: ModelError, which is also of the type that the model raised.
    """
    leaves, structure = tree_flatten((tuple(args), dict(kwargs or {})))
    places = [index for index, leaf in enumerate(leaves) if isinstance(leaf, (torch.Tensor, _Spec))]

    def call(*tensors: torch.Tensor) -> Any:
        filled = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        positional, named = tree_unflatten(filled, structure)
        return model(*positional, **named)

    call.__self__ = model  # type: ignore[attr-defined]  # as a bound method has: whose modules these are
    try:
        return _profile(call, [leaves[place] for place in places], [] if seen is None else seen, execute=execute)
    except ModelError as error:
        raise _also(error) from error.__cause__


def _profile(call: Any, inputs: list[Any], seen: list[Any], *, execute: bool) -> Profile:
    try:
        return flopsight.profile(call, inputs or None, execute=execute)
    except NeedsValuesError as error:
        seen.clear()
        try:
            return flopsight.profile(call, inputs or None, execute=True)
        except InputError:
            raise error from None


def _also(error: ModelError) -> ModelError:
    """The error as one that is also of the type the model raised, so that code written for the tool catches it."""
    kind = type(error.__cause__)
    if isinstance(error, kind):
        return error
    try:
        both: type[ModelError] = type(kind.__name__, (ModelError, kind), {})
        return both(str(error))
    except TypeError:  # the type needs more than a message
        return error


def evaluating(model: nn.Module) -> AbstractContextManager[None]:
    """Every module in eval mode for the time of the block, and as it was afterwards. One thread at a time."""
    return in_mode(model, False)


@contextmanager
def in_mode(model: nn.Module, training: bool | None) -> Iterator[None]:
    """Every module in training or eval mode (None: as it is) for the time of the block. One thread at a time."""
    with _modes:
        changed = [module for module in model.modules() if training not in (None, module.training)]
        for module in changed:
            module.training = not module.training
        try:
            yield
        finally:
            for module in changed:
                module.training = not module.training


@cache
def ignored(tool: str, argument: str, reason: str) -> None:
    """Warn, once in a process, that an argument of the original tool makes no difference."""
    warnings.warn(f"{tool}: {argument} makes no difference in flopsight.compat: {reason}.", stacklevel=3)


def require(condition: bool, sentence: str) -> None:
    """Raise AssertionError, which is what the original tools raise for arguments of the wrong type."""
    if not condition:
        raise AssertionError(sentence)
