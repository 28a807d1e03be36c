"""What to run a model on: from what the user wrote to positional and keyword arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from flopsight.errors import InputError, near


@dataclass(frozen=True)
class Spec:
    """A tensor to come: its sizes, and its dtype (None for the model's own)."""

    shape: tuple[int, ...]
    dtype: torch.dtype | None = None


def spec(*sizes: Any, dtype: str | torch.dtype | None = None) -> Spec:
    """A tensor's shape and dtype: `spec(1, 128, dtype="int64")`, or with the sizes as one tuple.

    Without `dtype`, it is the dtype of the model's first floating-point parameter. Raises: InputError.
    """
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    return Spec(_sizes(sizes), _dtype(dtype))


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype
    found = getattr(torch, str(dtype).removeprefix("torch."), None)
    if not isinstance(found, torch.dtype):
        known = [name for name, value in vars(torch).items() if isinstance(value, torch.dtype)]
        raise InputError(
            f"There is no dtype {dtype!r}; write it as in torch, 'float32' or 'int64'.{near(str(dtype), known)}"
        )
    return found


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _is_shape(value: Any) -> bool:
    return (
        isinstance(value, (tuple, list))
        and len(value) > 0
        and all(map(_is_size, value))
        and any(isinstance(size, int) for size in value)
    )


def _sizes(sizes: tuple[Any, ...] | list[Any]) -> tuple[int, ...]:
    names = [size for size in sizes if isinstance(size, str)]
    if names:
        raise InputError(
            f"The shape {tuple(sizes)!r} names the size {names[0]!r}. Symbolic sizes are not available in this "
            "version; give an integer for each size."
        )
    wrong = [size for size in sizes if isinstance(size, bool) or not isinstance(size, int) or size < 0]
    if wrong:
        raise InputError(f"The shape {tuple(sizes)!r} has the size {wrong[0]!r}; a size is an integer of at least 0.")
    return tuple(sizes)


def _read(value: Any) -> Any:
    """Shapes become `Spec`s, inside dicts, lists and tuples too; everything else stays."""
    if _is_shape(value):
        return Spec(_sizes(value))
    if isinstance(value, Mapping) and type(value) is dict:
        return {key: _read(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_read, value))
    return value


def arguments(inputs: Any, kwargs: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments with a `Spec` for each tensor given by its shape. Raises: InputError."""
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise InputError(f"kwargs is {kwargs!r}; give a dict of keyword arguments by name.")
    named = {str(name): _read(value) for name, value in (kwargs or {}).items()}
    if inputs is None:
        return (), named
    if isinstance(inputs, Mapping):
        twice = sorted(set(inputs) & set(named))
        if twice:
            raise InputError(f"The argument {twice[0]!r} is given twice, in inputs and in kwargs; give it once.")
        return (), {**{str(name): _read(value) for name, value in inputs.items()}, **named}
    if type(inputs) in (list, tuple) and not _is_shape(inputs):
        return tuple(map(_read, inputs)), named
    return (_read(inputs),), named


def fill(value: Any, make: Callable[[Any], Any]) -> Any:
    """Replace every `Spec` and tensor in nested dicts, lists and tuples by what `make` returns for it."""
    if isinstance(value, (Spec, torch.Tensor)):
        return make(value)
    if isinstance(value, Mapping):
        filled = {key: fill(item, make) for key, item in value.items()}
        if type(value) is dict:
            return filled
        try:
            return type(value)(filled)  # type: ignore[call-arg]
        except TypeError:
            return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(fill(item, make) for item in value))
    if type(value) in (list, tuple):
        return type(value)(fill(item, make) for item in value)
    return value


def tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors in nested dicts, lists and tuples."""
    found: list[torch.Tensor] = []
    fill(value, lambda item: found.append(item) if isinstance(item, torch.Tensor) else None)
    return found


def describe(value: Any) -> Any:
    """The inputs as plain values for the record: tensors as `dtype[sizes]`."""
    if isinstance(value, (Spec, torch.Tensor)):
        dtype = "" if value.dtype is None else str(value.dtype).removeprefix("torch.")
        return f"{dtype}[{', '.join(map(str, value.shape))}]"
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    return value if isinstance(value, (int, float, str, bool, type(None))) else type(value).__name__
