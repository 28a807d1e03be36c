"""torchinfo 1.8.0's `summary` over flopsight's counts.

Multiply-adds are those of the convention `torchinfo`, for every operator that runs, and the rows add up to the total.
Nothing is computed; no tensor of the model is made, moved or changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

import flopsight
from flopsight.compat._run import ignored, in_mode
from flopsight.compat.torchinfo.run import all_rows, run_rows
from flopsight.compat.torchinfo.settings import NEED_INPUT, ColumnSettings, Mode, RowSettings, Units, Verbosity
from flopsight.compat.torchinfo.statistics import FormattingOptions, ModelStatistics
from flopsight.errors import InputError, near
from flopsight.profiles import Profile

__all__ = ["ColumnSettings", "Mode", "ModelStatistics", "RowSettings", "Units", "Verbosity", "summary"]

_SHOWN_AFTER_A_RUN = (ColumnSettings.OUTPUT_SIZE, ColumnSettings.NUM_PARAMS)
_SHOWN_WITHOUT = (ColumnSettings.NUM_PARAMS,)


def summary(
    model: nn.Module,
    input_size: Any = None,
    input_data: Any = None,
    batch_dim: int | None = None,
    cache_forward_pass: bool | None = None,
    col_names: Iterable[str] | None = None,
    col_width: int = 25,
    depth: int = 3,
    device: torch.device | str | None = None,
    dtypes: list[Any] | None = None,
    mode: str | None = None,
    row_settings: Iterable[str] | None = None,
    verbose: int | None = None,
    **kwargs: Any,
) -> ModelStatistics:
    """The model's layers with shapes, parameters and multiply-adds; printed unless `verbose` is 0.

    input_size: one shape, or a list of them, batch included unless `batch_dim` says where to put it. dtypes: of each.
    input_data: in place of that, a tensor, a list of arguments, or a dict of keyword arguments. kwargs: more of those.
    mode: "eval" (the default), "train", or "same" for the mode that the model is in.
    cache_forward_pass, device: make no difference, and say so once.

    Raises: ValueError, TypeError or RuntimeError as torchinfo does; all but a few are flopsight.errors too.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"summary was given {model!r} as the model; give an instance of torch.nn.Module.")
    given = input_data is not None or input_size is not None
    shown = (_SHOWN_AFTER_A_RUN if given else _SHOWN_WITHOUT) if col_names is None else tuple(col_names)
    columns = tuple(_setting(ColumnSettings, name) for name in shown)
    rows = {_setting(RowSettings, name) for name in (("depth",) if row_settings is None else row_settings)}
    level = int(not getattr(sys, "ps1", None)) if verbose is None else verbose
    _check(input_data, input_size, columns, col_width, level)
    how = _setting(Mode, "eval" if mode is None else mode)
    if cache_forward_pass:
        ignored("torchinfo", "cache_forward_pass", "a model is counted anew, and equal operator calls are looked up")
    if torch.device("cpu" if device is None else device).type != "cpu":
        ignored("torchinfo", "device", "nothing is computed, and the count is the same on every device")
    formatting = FormattingOptions(depth, level, columns, col_width, rows)
    if given:
        args, named, size = _inputs(input_data, input_size, batch_dim, dtypes)
        with in_mode(model, {"train": True, "eval": False, "same": None}[how.value]):
            layers, profile = run_rows(model, args, named | kwargs, batch_dim)
        results = ModelStatistics(
            layers, size, _input_bytes(profile, input_data, len(args)), formatting, profile.total("torchinfo")
        )
    else:
        results = ModelStatistics(all_rows(model), [], 0, formatting)
    if level > Verbosity.QUIET:
        print(results)
    return results


_S = TypeVar("_S", bound=Enum)


def _setting(kind: type[_S], name: str) -> _S:
    """A setting by its name. Raises: ValueError."""
    known = [setting.value for setting in kind]
    if name not in known:
        raise InputError(f"There is no {kind.__name__} {name!r}; there are {', '.join(known)}.{near(str(name), known)}")
    return kind(name)


def _check(data: Any, size: Any, columns: tuple[ColumnSettings, ...], width: int, verbose: int) -> None:
    """Raise for arguments that do not go together, with the types of error that torchinfo raises."""
    if width <= 0:
        raise InputError(f"col_width is {width}; a column is at least 1 wide.")
    if verbose not in tuple(Verbosity):
        raise InputError(f"verbose is {verbose!r}; give 0 (quiet), 1 (the table), or 2 (each parameter too).")
    if data is not None and size is not None:
        raise RuntimeError("input_data and input_size are both given; give one of them.")
    wanting = [column.value for column in columns if column in NEED_INPUT]
    if data is None and size is None and wanting:
        raise InputError(f"The columns {', '.join(wanting)} need a run; give input_data or input_size.")


def _inputs(
    data: Any, size: Any, batch_dim: int | None, dtypes: list[Any] | None
) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
    """Positional and keyword arguments, and the sizes of the input as torchinfo reports them."""
    if data is not None:
        sizes = tree_map(lambda leaf: torch.Size(leaf.shape) if hasattr(leaf, "shape") else leaf, data)
        if isinstance(data, Mapping):
            return (), dict(data), sizes
        return (tuple(data) if isinstance(data, (list, tuple)) else (data,)), {}, sizes
    sizes = _sizes(size)
    kinds = dtypes or [None] * len(sizes)
    batched = [_with_batch(shape, batch_dim) for shape in sizes]
    return (
        tuple(flopsight.spec(*s, dtype=getattr(d, "dtype", d)) for s, d in zip(batched, kinds, strict=False)),
        {},
        sizes,
    )


def _with_batch(shape: Sequence[int], batch_dim: int | None) -> tuple[int, ...]:
    sizes = list(shape)
    if batch_dim is not None:
        sizes.insert(batch_dim if batch_dim >= 0 else len(sizes) + 1 + batch_dim, 1)
    return tuple(sizes)


def _sizes(size: Any) -> list[Any]:
    """One shape or several as a list of shapes. Raises: TypeError, ValueError."""
    if not isinstance(size, (list, tuple)):
        raise TypeError(f"input_size is {size!r}; give a shape such as (1, 3, 224, 224), or a list of shapes.")
    wrong = [number for number in tree_leaves(size) if not isinstance(number, int) or number <= 0]
    if wrong or not size:
        raise InputError(f"input_size is {size!r}; each size is an integer above 0.")
    return list(size) if isinstance(size[0], (list, tuple)) else [tuple(size)]


def _input_bytes(profile: Profile, data: Any, shapes: int) -> int:
    if data is not None:
        return sum(getattr(leaf, "nbytes", 0) for leaf in tree_leaves(data))
    return sum(spec.nbytes for spec in profile.modules[""].inputs[:shapes])
