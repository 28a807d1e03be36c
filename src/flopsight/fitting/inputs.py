"""The inputs of a model for any number of examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from flopsight.errors import InputError
from flopsight.tracing.given.inputs import Spec, arguments, describe
from flopsight.tracing.given.signature import Signature
from flopsight.tracing.sizing.naming import names_in

BATCH = "batch"
"""The name of the size that is the number of examples."""
InputsAt = Callable[[int], tuple[Any, dict[str, Any]]]


def inputs_of(model: nn.Module, inputs: Any, kwargs: Any) -> InputsAt:
    """Positional and keyword arguments as a function of the batch, from functions of it or shapes with its name.

    Raises: InputError if they have other names, or do not depend on the batch.
    """

    def at(batch: int) -> tuple[Any, dict[str, Any]]:
        given, named = (_at(value(batch) if callable(value) else value, batch) for value in (inputs, kwargs))
        return given, named or {}

    one, two = (arguments(*at(batch), Signature(model)) for batch in (1, 2))
    if others := names_in(one):
        raise InputError(
            f"The size {next(iter(others))!r} has a name; of the sizes, only {BATCH!r} may be left open here: give a "
            "number for each other."
        )
    if describe(one) == describe(two):
        raise InputError(
            f"The inputs {describe(one[0]) or describe(one[1])} are the same at every batch; name that size, as in "
            f"({BATCH!r}, 3, 224, 224), or give a function of the batch."
        )
    return at


def _at(value: Any, batch: int) -> Any:
    """The same with a number in place of the batch's name."""
    if isinstance(value, Spec):
        return replace(value, shape=_at(value.shape, batch))
    if type(value) in (list, tuple):
        return type(value)(batch if isinstance(item, str) and item == BATCH else _at(item, batch) for item in value)
    if type(value) is dict:
        return {key: _at(item, batch) for key, item in value.items()}
    return value
