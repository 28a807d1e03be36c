"""A run at sizes that have names: each is a number there, and what is made of it is followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from operator import eq
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from flopsight.sizes import Guard, Poly, Size, poly_of
from flopsight.tracing.fake import Fake, metadata_of
from flopsight.tracing.metadata import Metadata, sizing
from flopsight.tracing.place import caller_is_ours, user_line
from flopsight.tracing.sizing import sized
from flopsight.tracing.untouched.replacement import Replacement
from flopsight.tracing.values.deferred import Deferred


class Following:
    """Follows sizes through one run.

    memo: the calls remembered in it. guards: what the model's code asked of sizes. asked: the sizes that it handed to
    the function of PyTorch that is running, lists: those in a row; operators see their numbers.
    """

    def __init__(self) -> None:
        self.memo: dict[tuple[Any, ...], Any] = {}
        self.guards: dict[Guard, None] = {}
        self.asked: list[Size] = []
        self.lists: list[tuple[int, ...]] = []
        self._known: dict[int, Size] = {}

    def note(self, size: Any) -> Any:
        """Remember a size by its number, under which it comes back from PyTorch."""
        if isinstance(size, Size) and int(size) >= sized.LEAST:
            self._known.setdefault(int(size), size)
        return size

    def known(self, size: int) -> int:
        """The size of that number; one that the number is, if there is none."""
        return self._known.get(size, size) if type(size) is int else size

    def shape(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The same sizes, each remembered."""
        return tuple(self.note(_inner(size)) if isinstance(size, Size) else size for size in sizes)

    def real(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The sizes of a tensor that was computed, which has numbers: the sizes known by these numbers."""
        return tuple(map(self.known, sizes))

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of an operator, with names for the numbers among them that are sizes."""
        named = {
            int(size): size
            for value in given.values()
            for meta in sized.metas_in(value)
            for size in sized.spans(meta.shape)
        }

        def known(value: Any) -> Any:
            if type(value) is int and value >= sized.LEAST:
                return sized.only(self.asked, value) or named.get(value) or self.known(value)
            return type(value)(map(known, value)) if isinstance(value, (list, tuple)) else value

        return {name: known(value) for name, value in given.items()}

    def results(self, packet: str, given: Mapping[str, Any], results: Any, *, ruled: bool) -> Any:
        """The results of an operator, with names for their sizes where the arguments' have some.

        ruled: a shape rule of ours told them.
        """
        given = {name: self._handed(value) for name, value in given.items()}
        if isinstance(results, Metadata):
            shape = sized.dims(packet, given, results.shape, known=self.known, asked=self.asked, ruled=ruled)
            return results if shape is results.shape else results.like(shape, results.stride)
        if isinstance(results, (list, tuple)):
            return type(results)(self.results(packet, given, item, ruled=ruled) for item in results)
        return results

    def _handed(self, value: Any) -> Any:
        """A list of numbers as the code handed it to PyTorch."""
        if not isinstance(value, (list, tuple)) or not value or any(type(item) is not int for item in value):
            return value
        return next(
            (each for each in self.lists if len(each) == len(value) and all(map(eq, map(int, each), value))), value
        )

    @contextmanager
    def active(self) -> Iterator[None]:
        """Follow what runs inside."""
        token = sizing.set(self)
        with ExitStack() as stack:
            for replacement in _ASKED:
                stack.enter_context(replacement)
            stack.enter_context(_Handed(self))
            try:
                yield
            finally:
                sizing.reset(token)


class _Handed(TorchFunctionMode):
    """Notes the sizes that each function of PyTorch is called with, before they become numbers."""

    def __init__(self, following: Following) -> None:
        super().__init__()
        self._following = following

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outer = self._following.asked, self._following.lists
        asked = list(map(_inner, _sizes_in((args, kwargs or {}))))
        rows = _lists_in((args, kwargs or {})) if asked else ()
        self._following.asked = asked
        self._following.lists = [tuple(map(_inner, row)) for row in rows if sized.is_named(row)]
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self._following.asked, self._following.lists = outer


def _sizes_in(value: Any) -> Iterator[Size]:
    if isinstance(value, Size):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _sizes_in(item)
    elif type(value) is slice:
        yield from _sizes_in((value.start, value.stop, value.step))
    elif type(value) is dict:
        yield from _sizes_in(tuple(value.values()))


class Asked(Size):
    """A size in the hands of the model's code: what is made of it is remembered, and what is asked of it noted."""

    def __new__(cls, value: int, poly: Poly) -> Asked:
        """The size."""
        made = int.__new__(cls, value)
        made.poly = poly
        if isinstance(following := sizing.get(), Following):
            following.note(_inner(made))
        return made

    def __hash__(self) -> int:
        return int.__hash__(self)

    def __bool__(self) -> bool:
        return int(self) != 0


def _inner(size: Any) -> Any:
    return Size(int(size), size.poly) if isinstance(size, Asked) else size


def _lists_in(value: Any) -> Iterator[tuple[int, ...]]:
    """Integers in a row, as in a list, or as neighbouring arguments."""
    if isinstance(value, (list, tuple)):
        numbers = tuple(item for item in value if isinstance(item, int))
        if numbers and len(value) - len(numbers) <= 1:
            yield numbers
        for item in value:
            yield from _lists_in(item)
    elif type(value) is dict:
        yield from _lists_in(tuple(value.values()))


def _comparison(name: str, sign: str) -> Any:
    plain = getattr(int, name)

    def method(self: Asked, other: Any) -> Any:
        answer = plain(self, other)
        if answer is NotImplemented or not isinstance(following := sizing.get(), Following):
            return answer
        left, right = self.poly, poly_of(other)
        if left != right and not caller_is_ours():
            guard = Guard.of(left, sign, right, held=answer, place=user_line())
            if not guard.is_certain:
                following.guards[guard] = None
        return answer

    method.__name__ = name
    return method


for _name, _sign in {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}.items():
    setattr(Asked, f"__{_name}__", _comparison(f"__{_name}__", _sign))


def _asked(size: int) -> int:
    return Asked(int(size), size.poly) if isinstance(size, Size) else size


def _shape(self: torch.Tensor) -> torch.Size:
    return torch.Size(map(_asked, metadata_of(self).shape))


def _size(self: torch.Tensor, dim: int | None = None) -> Any:
    return _shape(self) if dim is None else _shape(self)[dim]


def _numel(self: torch.Tensor) -> int:
    return _asked(metadata_of(self).numel)


_ASKED = [
    Replacement(kind, name, value)
    for kind in (Fake, Deferred)
    for name, value in {"shape": property(_shape), "size": _size, "numel": _numel, "nelement": _numel}.items()
]
