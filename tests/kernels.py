"""Runs operators for real, and holds each stand-in to the result it stands for."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from flopsight.errors import NeedsValuesError
from flopsight.tracing.fake import metadata_in
from flopsight.tracing.memo import hashable
from flopsight.tracing.metadata import Metadata
from flopsight.tracing.operators.operation import OperatorInfo, info_of
from flopsight.tracing.operators.results import infer

NOT_HELD = {
    "aten::mkldnn_rnn_layer": "its last result is memory of oneDNN's own, of a size that only oneDNN knows",
    "aten::linalg_solve_triangular": "of complex matrices: what it copies depends on whether one is a lazy conjugate",
    "aten::addbmm_": "a matrix that is too small takes another size, which PyTorch's meta kernel refuses",
    "aten::nansum.out": "it writes integers to booleans, which PyTorch's meta kernel refuses",
    "aten::abs.out": "it writes magnitudes to complex numbers in another layout than that of a new result",
    "aten::angle.out": "it writes angles to complex numbers in another layout than that of a new result",
    "aten::normal.Tensor_float_out": "where it writes takes part in broadcasting, though it takes another size",
    "aten::stack.out": "where it writes lies otherwise than a new result, by rules of its own",
}
"""Operators that are not held to their results, with the reason."""


class Compared(TorchDispatchMode):
    """Runs operators, and notes where a stand-in's shape, strides or dtype are not those of the result.

    differing: by operator, sentences. seen: the calls compared; equal ones are compared once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.differing: dict[str, list[str]] = {}
        self.seen: set[Any] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not all(map(_is_plain, tensors((args, kwargs)))):
            return func(*args, **kwargs)
        info = info_of(func)
        if info.name in NOT_HELD:
            return func(*args, **kwargs)
        metas, named = metadata_in(tuple(args)), {name: metadata_in(value) for name, value in kwargs.items()}
        results = func(*args, **kwargs)
        if not info.in_place_view and all(map(_is_plain, tensors(results))):
            self._compare(info, metas, named, results)
        return results

    def _compare(self, info: OperatorInfo, args: Any, kwargs: Any, results: Any) -> None:
        key = (info.func, hashable(args), str(kwargs))
        if key in self.seen:
            return
        self.seen.add(key)
        try:
            said = infer(info, args, kwargs)
        except NeedsValuesError:
            return
        except Exception as error:
            self._note(info, args, f"{type(error).__name__}: {error}")
            return
        real = metadata_in(results)
        if info.writes:
            said, real = ([it] if isinstance(it, Metadata) else it for it in (said, real))
            said = [_after_write(*pair, args, kwargs) for pair in zip(said or (), info.returned, strict=False)]
        if _metadata(said) != _metadata(real):
            self._note(info, args, f"{_words(said)} for {_words(real)}")

    def _note(self, info: OperatorInfo, args: Any, what: str) -> None:
        self.differing.setdefault(info.name, []).append(f"{_words(args)} -> {what}")


def tensors(value: Any) -> list[torch.Tensor]:
    """Those in nested dicts, lists and tuples."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for item in value for t in tensors(item)] if isinstance(value, (list, tuple)) else []


def _is_plain(tensor: torch.Tensor) -> bool:
    return tensor.layout is torch.strided and not tensor.is_nested and not tensor.is_quantized


def _after_write(said: Any, argument: tuple[int, str] | None, args: Any, kwargs: Any) -> Any:
    """The argument that a result is written to, unless it takes another size."""
    if argument is None:
        return said
    at, name = argument
    target = args[at] if at < len(args) else kwargs[name]
    return target if target.shape == said.shape else said.like(said.shape, said.stride, target.dtype)


def _metadata(value: Any) -> Any:
    """Strides of what has no elements say nothing, and PyTorch's kernels do not agree on them."""
    if isinstance(value, (list, tuple)):
        return [_metadata(item) for item in value]
    if not isinstance(value, Metadata):
        return None
    return value if value.numel else value.like(value.shape)


def _words(value: Any) -> str:
    if isinstance(value, Metadata):
        return f"{value!r} by {value.stride}"
    return f"[{', '.join(map(_words, value))}]" if isinstance(value, (list, tuple)) else repr(value)
