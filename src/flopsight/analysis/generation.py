"""What it costs to generate text: a prompt at once, then token by token against a growing cache. Needs no torch.

B sequences · P tokens of the prompt · L tokens in the cache before a step, which adds one
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from flopsight.analysis.experts import GROUPED
from flopsight.calls import Operation
from flopsight.cost import FLOPS_PER_MAC, TensorSpec
from flopsight.record import Record

_LOOKUPS = {"aten::embedding"}
_DEGREE = 2


class Step(NamedTuple):
    """What one call of the model costs, for all B sequences together.

    macs: multiply-accumulates of contractions. exact: scalar operations of every operator. weight_bytes: the parameters
    that are read, each once; of experts at most those that the tokens can choose. cache_bytes: the cache after it.
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


class Piece(NamedTuple):
    """Steps from one cache length to another whose costs are polynomials in it, by their values at three lengths."""

    first: int
    last: int
    points: tuple[tuple[int, Step], ...]

    def at(self, length: int) -> tuple[Fraction, ...]:
        """The polynomials' values at a length."""
        found = [Fraction(0)] * len(Step._fields)
        for x, values in self.points:
            weight = Fraction(1)
            for other, _ in self.points:
                if other != x:
                    weight *= Fraction(length - other, x - other)
            found = [total + weight * value for total, value in zip(found, values, strict=True)]
        return tuple(found)


class Curve:
    """The cost of each step from one cache length to another, known exactly from a few of them.

    pieces: without gaps, in order of length.
    """

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces

    @property
    def lengths(self) -> range:
        """The cache lengths before each step."""
        return range(self.pieces[0].first, self.pieces[-1].last + 1) if self.pieces else range(0)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, length: int) -> Step:
        """The step that finds `length` tokens in the cache. Raises: KeyError for one that is not among `lengths`."""
        if length not in self.lengths:
            raise KeyError(f"There is no step with {length} tokens in the cache; there are {self.lengths}.")
        return self._steps[length - self.lengths.start]

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps)

    @cached_property
    def _steps(self) -> list[Step]:
        return [Step(*map(int, piece.at(x))) for piece in self.pieces for x in range(piece.first, piece.last + 1)]

    def total(self, name: str) -> int:
        """The sum over all steps of a field of `Step`, `macs` say."""
        return sum(getattr(step, name) for step in self)


def curve(measure: Callable[[int], Step], first: int, last: int) -> Curve:
    """The costs of the steps from `first` to `last`, measuring few: a polynomial that two more lengths confirm.

    Where they do not, as at the end of a sliding window, each half is looked at by itself.
    """
    known: dict[int, Step] = {}

    def at(length: int) -> Step:
        if length not in known:
            known[length] = measure(length)
        return known[length]

    def pieces(first: int, last: int) -> list[Piece]:
        if last - first < 2 * _DEGREE + 1:
            return [Piece(x, x, ((x, at(x)),)) for x in range(first, last + 1)]
        middle = (first + last) // 2
        piece = Piece(first, last, tuple((x, at(x)) for x in (first, middle, last)))
        confirming = ((2 * first + middle) // 3 + 1, (middle + 2 * last) // 3)
        if all(piece.at(x) == tuple(at(x)) for x in confirming):
            return [piece]
        return [*pieces(first, middle), *pieces(middle + 1, last)]

    return Curve(pieces(first, last) if first <= last else [])


@dataclass(frozen=True)
class Generation:
    """What it costs to answer a prompt.

    model: its name. batch, prompt, new_tokens: B sequences, tokens of each prompt, tokens generated for each.
    prefill: the call that reads the prompt and gives the first new token. decode: the steps that give the others, by
    the length of the cache. record: the prefill, operator by operator. step: the first step, likewise; None for one new
    token. unknown: operators whose cost is not known, so that every figure is a lower bound. notes: what was assumed.
    """

    model: str
    batch: int
    prompt: int
    new_tokens: int
    prefill: Step
    decode: Curve
    record: Record
    step: Record | None = None
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def macs(self) -> int:
        """Multiply-accumulates of prefill and all steps."""
        return self.prefill.macs + self.decode.total("macs")

    @property
    def flops(self) -> int:
        """Two for each multiply-accumulate."""
        return FLOPS_PER_MAC * self.macs

    @property
    def cache_bytes(self) -> int:
        """The cache at its largest, after the last step."""
        return max([self.prefill.cache_bytes, *(step.cache_bytes for step in self.decode)])


def weight_bytes(record: Record) -> int:
    """Bytes of the parameters that the calls of a record read, each once.

    Of an embedding, the rows that are looked up; of E experts of which each row of the batch uses some, at most as
    many as there are rows.
    """
    used: defaultdict[str, list[Operation]] = defaultdict(list)
    for call in record:
        used[call.module].append(call.operation)
    whole: dict[int, int] = {}
    looked_up: dict[int, int] = {}
    for path, operations in used.items():
        names = {operation.name for operation in operations}
        node = record.modules[path]
        parameters = [p for p in node.parameters if not p.buffer]
        if names <= _LOOKUPS:
            rows = sum(spec.nbytes for operation in operations for spec in operation.outputs)
            looked_up |= {p.identity: min(rows, p.spec.nbytes) for p in parameters}
            continue
        part = _read_part(operations)
        for p in parameters:
            stacked = part is not None and p.spec.ndim >= 2 and p.spec.shape[0] == part[1]
            share = Fraction(*part) if stacked and part is not None else 1
            whole[p.identity] = max(whole.get(p.identity, 0), int(p.spec.nbytes * share))
    return sum(whole.values()) + sum(size for identity, size in looked_up.items() if identity not in whole)


def _read_part(operations: list[Operation]) -> tuple[int, int] | None:
    """Of a layer of experts, how many the rows can choose at most, and how many there are; None for other modules."""
    for operation in operations:
        rows, weights = (operation.inputs.get(name) for name in GROUPED.get(operation.name, ("", "")))
        if isinstance(rows, TensorSpec) and isinstance(weights, TensorSpec) and weights.ndim == 3:
            return min(weights.shape[0], rows.shape[0]), weights.shape[0]
    return None
