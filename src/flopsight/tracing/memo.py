"""Calls remembered by operator and argument metadata: the same call costs the same."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.calls import Operation
from flopsight.tracing.metadata import Metadata, sizing
from flopsight.tracing.operators.operation import OperatorInfo, registry_version

FOLDED_ELEMENTS = 1 << 16
"""Operators on constants that touch at most this many elements are run at once; others when a value is asked for."""


class Call:
    """What is remembered of a call.

    operation: its record. results: metadata. single: that of the only result, where the operator makes a new one.
    several: whether it makes several new ones. target: the position of the argument that is the only result, where the
    operator writes to it.
    """

    __slots__ = ("_pure", "_touched", "operation", "results", "several", "single", "target")

    def __init__(self, info: OperatorInfo, operation: Operation, results: Any) -> None:
        self.operation = operation
        self.results = results
        new = not info.writes
        self.single = results if new and isinstance(results, Metadata) else None
        self.several = new and isinstance(results, (list, tuple))
        self.target = info.target
        self._pure = new and not (info.random or info.view or info.dynamic)
        self._touched: int | None = None

    @property
    def touched(self) -> int:
        """How many elements there are in all."""
        if self._touched is None:
            self._touched = sum(spec.numel for spec in (*self.operation.tensors(), *self.operation.outputs))
        return self._touched

    @property
    def small(self) -> bool:
        """Whether these are few enough to run it at once on constants."""
        return self.touched <= FOLDED_ELEMENTS

    @property
    def foldable(self) -> bool:
        """Whether it may be run on constants without another look, as it is small and writes to nothing."""
        return self._pure and self.small


class Composite:
    """What is remembered of a call that PyTorch writes with other operators: their records, and its result.

    argument: the position of the argument that is handed back, if one is; else `result` is the result's metadata, that
    of several in a tuple.
    casts: whether it may hold only without autocast, which might cast inside. owners: of a module's call, for which of
    the modules in it each record is booked, None for itself.
    """

    __slots__ = ("argument", "casts", "owners", "records", "result")

    def __init__(
        self,
        records: list[Operation],
        result: Any,
        argument: int | None,
        *,
        casts: bool,
        owners: list[str | None] | None = None,
    ) -> None:
        self.owners = owners
        self.casts = casts
        self.records = records
        self.result = result
        self.argument = argument


class Memo:
    """Calls by operator and argument metadata, kept between profiles.

    They are forgotten when a formula, the default dtype, or what decides the library that takes a convolution (and so
    the layout of its result) changes.
    """

    def __init__(self) -> None:
        self.calls: dict[tuple[Any, ...], Call | Composite] = {}
        self.version: tuple[Any, ...] | None = None

    def current(self) -> dict[tuple[Any, ...], Any]:
        """The calls remembered that still hold; where sizes have names, those of this run."""
        if (following := sizing.get()) is not None:
            return following.memo
        libraries = (torch._C._get_mkldnn_enabled(), torch.get_num_threads())
        version = (registry_version(), torch.get_default_dtype(), *libraries)
        if version != self.version or len(self.calls) > 100_000:
            self.calls = {}
            self.version = version
        return self.calls


MEMO = Memo()


def hashable(value: Any) -> Any:
    """A value as a key: lists as tuples, and numbers that are equal but of different types apart."""
    if isinstance(value, (list, tuple)):
        return tuple(map(hashable, value))
    return (type(value), value) if isinstance(value, (bool, float, complex)) else value
