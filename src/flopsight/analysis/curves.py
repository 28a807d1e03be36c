"""The costs of the steps of generating, against an ever longer cache: polynomials, known from a few. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

from flopsight.cost import FLOPS_PER_MAC

_DEGREE = 2


class Work(NamedTuple):
    """What one component costs in one call of the model, for all sequences together.

    macs: multiply-accumulates of contractions. exact: scalar operations of every operator. weight_bytes: the parameters
    that are read, each once; of experts at most those that the tokens can choose.
    """

    macs: int
    exact: int
    weight_bytes: int

    @property
    def flops(self) -> int:
        """Two for each multiply-accumulate."""
        return FLOPS_PER_MAC * self.macs


class Step(NamedTuple):
    """What one call of the model costs, for all sequences together.

    macs, exact, weight_bytes: as of `Work`. cache_bytes: the cache after it.
    """

    macs: int
    exact: int
    weight_bytes: int
    cache_bytes: int

    @property
    def flops(self) -> int:
        """Two for each multiply-accumulate."""
        return FLOPS_PER_MAC * self.macs

    @property
    def intensity(self) -> float:
        """FLOPs for each byte of weights and cache: below a machine's FLOPS per byte a second, memory is the limit."""
        return self.flops / (self.weight_bytes + self.cache_bytes) if self.weight_bytes + self.cache_bytes else 0.0


Costs = TypeVar("Costs", bound=Step | Work)


@dataclass(frozen=True)
class Piece(Generic[Costs]):
    """Steps from one cache length to another whose costs are polynomials in it, by their values at three lengths."""

    first: int
    last: int
    points: tuple[tuple[int, Costs], ...]

    def at(self, length: int) -> tuple[Fraction, ...]:
        """The polynomials' values at a length."""
        found = [Fraction(0)] * len(self.points[0][1])
        for x, values in self.points:
            weight = Fraction(1)
            for other, _ in self.points:
                if other != x:
                    weight *= Fraction(length - other, x - other)
            found = [total + weight * value for total, value in zip(found, values, strict=True)]
        return tuple(found)

    def steps(self) -> Iterator[Costs]:
        """The costs at each length."""
        kind = type(self.points[0][1])
        for length in range(self.first, self.last + 1):
            yield kind(*map(int, self.at(length)))


class Curve(Generic[Costs]):
    """The cost of each step from one cache length to another, known exactly from a few of them.

    pieces: without gaps, in order of length.
    """

    def __init__(self, pieces: list[Piece[Costs]]) -> None:
        self.pieces = pieces

    @property
    def lengths(self) -> range:
        """The cache lengths before each step."""
        return range(self.pieces[0].first, self.pieces[-1].last + 1) if self.pieces else range(0)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, length: int) -> Costs:
        """The step that finds `length` tokens in the cache. Raises: KeyError for one that is not among `lengths`."""
        if length not in self.lengths:
            raise KeyError(f"There is no step with {length} tokens in the cache; there are {self.lengths}.")
        return self._steps[length - self.lengths.start]

    def __iter__(self) -> Iterator[Costs]:
        return iter(self._steps)

    @cached_property
    def _steps(self) -> list[Costs]:
        return [step for piece in self.pieces for step in piece.steps()]

    def total(self, name: str) -> int:
        """The sum over all steps of a field of theirs, `macs` say."""
        return sum(getattr(step, name) for step in self)


def curve(measure: Callable[[int], Costs], first: int, last: int) -> Curve[Costs]:
    """The costs of the steps from `first` to `last`, measuring few: a polynomial that two more lengths confirm.

    Where they do not, as at the end of a sliding window, each half is looked at by itself.
    """
    known: dict[int, Costs] = {}

    def at(length: int) -> Costs:
        if length not in known:
            known[length] = measure(length)
        return known[length]

    def pieces(first: int, last: int) -> list[Piece[Costs]]:
        if last - first < 2 * _DEGREE + 1:
            return [Piece(x, x, ((x, at(x)),)) for x in range(first, last + 1)]
        middle = (first + last) // 2
        piece = Piece(first, last, tuple((x, at(x)) for x in (first, middle, last)))
        confirming = ((2 * first + middle) // 3 + 1, (middle + 2 * last) // 3)
        if all(piece.at(x) == tuple(at(x)) for x in confirming):
            return [piece]
        return [*pieces(first, middle), *pieces(middle + 1, last)]

    return Curve(pieces(first, last) if first <= last else [])
