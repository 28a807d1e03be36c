"""What to run a model on: from what the user wrote to positional and keyword arguments."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from flopsight.errors import InputError, near
from flopsight.tracing.given.signature import Signature
from flopsight.tracing.untouched.reach import ATOMS


@dataclass(frozen=True)
class Spec:
    """A tensor to come: its sizes, numbers or names, and its dtype (None for the model's own)."""

    shape: tuple[Any, ...]
    dtype: torch.dtype | None = None


def spec(*sizes: Any, dtype: str | torch.dtype | None = None) -> Spec:
    """A tensor's shape and dtype: `spec(1, 128, dtype="int64")`, or with the sizes as one tuple.

    Without `dtype`, it is the dtype of the model's first floating-point parameter. Raises: InputError.
    """
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    return Spec(_sizes(sizes), _dtype(dtype))


@dataclass(frozen=True)
class Plain:
    """A value that the model gets as it is."""

    value: Any


def plain(value: Any) -> Plain:
    """A value for the model as it is, where it could be taken for a tensor's shape.

    `kwargs={"size": flopsight.plain((16, 16))}` gives two integers. It is not needed where the annotation or default of
    the parameter says so, as in `size: tuple[int, int]`.
    """
    return Plain(value)


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


def _sizes(sizes: tuple[Any, ...] | list[Any]) -> tuple[Any, ...]:
    for size in sizes:
        if isinstance(size, str):
            if not size.isidentifier() or keyword.iskeyword(size):
                raise InputError(
                    f"The shape {tuple(sizes)!r} has the size {size!r}; a size is named by a word, as 'batch' or 'seq'."
                )
        elif isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise InputError(
                f"The shape {tuple(sizes)!r} has the size {size!r}; a size is an integer of at least 0, or a name."
            )
    return tuple(sizes)


def _read(value: Any, seen: dict[int, Any]) -> Any:
    """Shapes become `Spec`s, inside dicts, lists and tuples too; everything else stays.

    seen: what lists and dicts have become, by `id`, so that one given twice stays one. Tuples are left out: Python
    makes one object of equal tuples that are written down apart.
    """
    if _is_shape(value):
        return Spec(_sizes(value))
    if id(value) in seen:
        return seen[id(value)]
    if type(value) is dict:
        seen[id(value)] = read = {key: _read(item, seen) for key, item in value.items()}
        return read
    if type(value) is list:
        seen[id(value)] = items = [_read(item, seen) for item in value]
        return items
    return tuple(_read(item, seen) for item in value) if type(value) is tuple else value


def arguments(
    inputs: Any, kwargs: Mapping[str, Any] | None, signature: Signature
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments with a `Spec` for each tensor given by its shape. Raises: InputError."""
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise InputError(f"kwargs is {kwargs!r}; give a dict of keyword arguments by name.")
    seen: dict[int, Any] = {}

    def read(key: int | str, value: Any) -> Any:
        taken = type(value) in (tuple, list) and signature.is_plain(key, value)
        return value if taken else _read(value, seen)

    named = {str(name): read(str(name), value) for name, value in (kwargs or {}).items()}
    if inputs is None:
        return (), named
    if isinstance(inputs, Mapping):
        twice = sorted(set(inputs) & set(named))
        if twice:
            raise InputError(f"The argument {twice[0]!r} is given twice, in inputs and in kwargs; give it once.")
        return (), {**{str(name): read(str(name), value) for name, value in inputs.items()}, **named}
    if type(inputs) in (list, tuple) and not _is_shape(inputs):
        return tuple(read(at, value) for at, value in enumerate(inputs)), named
    return (read(0, inputs),), named


def fill(value: Any, make: Callable[[Any], Any]) -> Any:
    """Replace every `Spec` and tensor in nested dicts, lists and tuples by what `make` returns for it."""
    return _fill(value, make, {})


def fill_once(value: Any, make: Callable[[Any], Any]) -> Any:
    """`fill`, where an object that is given several times (a tensor, a `Spec`, a list, a dict) stays one object."""
    seen: dict[int, Any] = {}

    def once(item: Any) -> Any:
        if id(item) not in seen:
            seen[id(item)] = make(item)
        return seen[id(item)]

    return _fill(value, once, seen)


def _fill(value: Any, make: Callable[[Any], Any], seen: dict[int, Any]) -> Any:
    if isinstance(value, (Spec, torch.Tensor)):
        return make(value)
    if isinstance(value, Plain):
        return value.value
    if isinstance(value, tuple):
        items = (_fill(item, make, seen) for item in value)
        if type(value) is tuple:
            return tuple(items)
        return value._make(items) if hasattr(value, "_make") else value
    if type(value) is list:
        if id(value) not in seen:
            seen[id(value)] = [_fill(item, make, seen) for item in value]
        return seen[id(value)]
    if not isinstance(value, Mapping):
        return value
    if id(value) not in seen:
        filled = {key: _fill(item, make, seen) for key, item in value.items()}
        try:
            seen[id(value)] = filled if type(value) is dict else type(value)(filled)  # type: ignore[call-arg]
        except TypeError:
            seen[id(value)] = value
    return seen[id(value)]


def tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors in nested dicts, lists and tuples."""
    if isinstance(value, torch.Tensor):
        return [value]
    items: Iterable[Any]
    if type(value) in (list, tuple) or (isinstance(value, tuple) and hasattr(value, "_fields")):
        items = value
    elif type(value) is dict or isinstance(value, Mapping):
        items = value.values()
    else:
        return []
    return [tensor for item in items if type(item) not in ATOMS for tensor in tensors_in(item)]


def describe(value: Any) -> Any:
    """The inputs as plain values for the record: tensors as `dtype[sizes]`."""
    if isinstance(value, Plain):
        return describe(value.value)
    if isinstance(value, (Spec, torch.Tensor)):
        dtype = "" if value.dtype is None else str(value.dtype).removeprefix("torch.")
        return f"{dtype}[{', '.join(map(str, value.shape))}]"
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    return value if isinstance(value, (int, float, str, bool, type(None))) else type(value).__name__
