"""What an input should have been, found by trying, where the model's own code failed on inputs given by shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from flopsight.errors import FlopsightError, ModelError
from flopsight.tracing.given.inputs import Spec, fill


def hinted(error: ModelError, given: tuple[Any, Any], run: Callable[[Any, Any], Any]) -> ModelError:
    """The error, with a hint where the model runs on inputs that differ in one respect from those given.

    given: positional and keyword arguments. run: runs the model on others without computing, or raises.
    """
    for args, kwargs, hint in _others(given):
        try:
            run(args, kwargs)
        except FlopsightError:
            continue
        return ModelError(f"{error} {hint}")
    return error


def _others(given: tuple[Any, Any]) -> Iterator[tuple[Any, Any, str]]:
    """Inputs to try, each with what to say if the model runs on them."""
    specs: list[Spec] = []
    fill(given, lambda item: specs.append(item) if isinstance(item, Spec) else item)
    if not specs:
        return
    first = specs[0]
    batched = _with(given, lambda spec: replace(spec, shape=(1, *spec.shape)))
    yield *batched, f"It runs with a batch in front: {(1, *first.shape)} for {first.shape}."
    of_integers = {id(spec) for spec in specs if spec.dtype is None}
    if of_integers:
        integers = _with(given, lambda spec: replace(spec, dtype=torch.int64) if id(spec) in of_integers else spec)
        sizes = ", ".join(map(str, first.shape))
        text = f"flopsight.spec({sizes}, dtype='int64'), or --input {sizes.replace(' ', '')}:int64"
        yield *integers, f"It runs with integers: {text}."
    for spec in specs[1:]:
        plain = _with(given, lambda other, spec=spec: other.shape if other is spec else other)  # type: ignore[misc]
        yield *plain, f"It runs with {spec.shape} as integers, not as a shape: flopsight.plain({spec.shape})."


def _with(given: tuple[Any, Any], change: Callable[[Spec], Any]) -> tuple[Any, Any]:
    """The arguments with each spec changed; tensors stay."""
    args, kwargs = fill(given, lambda item: change(item) if isinstance(item, Spec) else item)
    return args, kwargs
