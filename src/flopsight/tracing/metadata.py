"""What is known of a tensor without its values.

`Metadata` is interned, so that one object stands for one (shape, strides, dtype, device) and can be compared by
identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any, Protocol

import torch

from flopsight.cost import TensorSpec, product

CPU = torch.device("cpu")


class Metadata:
    """What is known of a tensor without its values. Make one with `metadata`; equal ones are the same object.

    is_contiguous: whether the strides are those of a C array. specs: its `spec`, in a tuple.
    """

    __slots__ = (
        "device", "device_type", "dtype", "is_contiguous", "ndim", "numel", "shape", "spec", "specs", "stride",
    )  # fmt: skip

    def __init__(
        self, shape: tuple[int, ...], stride: tuple[int, ...] | None, dtype: torch.dtype, device: torch.device
    ) -> None:
        c_array = contiguous(shape)
        stride = c_array if stride is None else stride
        self.shape = shape
        self.stride = stride
        self.dtype = dtype
        self.device = device
        self.ndim = len(shape)
        self.numel = product(shape)
        self.spec = TensorSpec(shape, _dtype_names.get(dtype) or dtype_name(dtype))
        self.specs = (self.spec,)
        self.device_type = device_type(device)
        self.is_contiguous = stride == c_array

    def like(
        self, shape: tuple[int, ...], stride: tuple[int, ...] | None = None, dtype: torch.dtype | None = None
    ) -> Metadata:
        """The metadata of another tensor on the same device; contiguous unless strides are given."""
        return metadata(shape, stride, dtype or self.dtype, self.device)

    def __repr__(self) -> str:
        return f"{self.spec.dtype}{list(self.shape)}"


class Sizing(Protocol):
    """What follows named sizes through a run."""

    memo: dict[tuple[Any, ...], Any]

    def shape(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The same sizes, each remembered."""

    def real(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The sizes of a tensor that was computed, which has numbers: the sizes known by these numbers."""

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of an operator, with names for the numbers among them that are sizes."""

    def results(self, packet: str, given: Mapping[str, Any], results: Any, *, ruled: bool) -> Any:
        """The results of an operator, with names for their sizes where the arguments' have some."""


sizing: ContextVar[Sizing | None] = ContextVar("sizing", default=None)
"""Of the run that is active, if its sizes have names."""

INTERNED: dict[tuple[Any, ...], Metadata] = {}
_dtype_names: dict[torch.dtype, str] = {}


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` for `torch.float32`."""
    name = _dtype_names.get(dtype)
    if name is None:
        name = _dtype_names[dtype] = str(dtype).removeprefix("torch.")
    return name


@cache
def device_type(device: torch.device) -> str:
    """`cuda` for `cuda:1`: PyTorch takes long to tell."""
    return device.type


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a C array of that shape."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size or 1
    strides.reverse()
    return tuple(strides)


def metadata(
    shape: tuple[int, ...], stride: tuple[int, ...] | None, dtype: torch.dtype, device: torch.device = CPU
) -> Metadata:
    """The one `Metadata` of these properties, of a C array unless strides are given.

    A tensor on the meta device counts as one on the CPU.
    """
    if (following := sizing.get()) is not None:
        shape = following.shape(shape)
        stride = contiguous(tuple(map(int, shape))) if stride is None else tuple(map(int, stride))
    key = (shape, stride, dtype, device)
    found = INTERNED.get(key)
    if found is None:
        if len(INTERNED) > 200_000:
            INTERNED.clear()
        found = Metadata(shape, stride, dtype, CPU if device_type(device) == "meta" else device)
        if stride is None or found.device is not device:
            found = INTERNED.setdefault((shape, found.stride, dtype, found.device), found)
        INTERNED[key] = found
    return found
