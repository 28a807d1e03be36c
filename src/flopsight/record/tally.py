"""Counts over parts of a profile: operator calls with what they cost together, and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from flopsight import conventions
from flopsight.calls import Operation, ParameterRecord
from flopsight.conventions import Convention
from flopsight.cost import FLOPS_PER_MAC, ZERO, Cost


class ParameterCount(int):
    """Number of parameter elements, each tensor counted once, and what they consist of.

    trainable, frozen: elements that require a gradient or do not. tied: elements of tensors held more than once,
    counted for every holder beyond the first (they are not in the total again). buffers: elements of buffers.
    nbytes: bytes of the parameters. buffer_bytes: bytes of the buffers.
    """

    trainable: int
    frozen: int
    tied: int
    buffers: int
    nbytes: int
    buffer_bytes: int

    @classmethod
    def of(cls, records: list[ParameterRecord]) -> ParameterCount:
        """Count the parameters and buffers held by some modules."""
        first = {record.identity: record for record in reversed(records)}
        parameters = [record for record in first.values() if not record.buffer]
        buffers = [record for record in first.values() if record.buffer]
        total = sum(record.spec.numel for record in parameters)
        self = cls(total)
        self.trainable = sum(record.spec.numel for record in parameters if record.trainable)
        self.frozen = total - self.trainable
        self.tied = sum(record.spec.numel for record in records if not record.buffer) - total
        self.buffers = sum(record.spec.numel for record in buffers)
        self.nbytes = sum(record.spec.nbytes for record in parameters)
        self.buffer_bytes = sum(record.spec.nbytes for record in buffers)
        return self


@dataclass(frozen=True)
class Tally:
    """Operator calls counted by kind, and what they cost together."""

    counts: Mapping[Operation, int]

    def __repr__(self) -> str:
        bound = ">= " if self.unknown else ""
        return f"<{self.calls:,} calls: {bound}{self.macs:,} MACs, {bound}{self.cost.exact:,} exact operations>"

    @property
    def calls(self) -> int:
        """Number of operator calls."""
        return sum(self.counts.values())

    @cached_property
    def cost(self) -> Cost:
        """Scalar operations of all calls whose cost is known."""
        return sum((n * op.cost for op, n in self.counts.items() if op.cost is not None), ZERO)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of contractions."""
        return sum([n * op.cost.macs for op, n in self.counts.items() if op.cost is not None])

    @property
    def flops(self) -> int:
        """Floating-point operations of contractions, two a multiply-accumulate."""
        return FLOPS_PER_MAC * self.macs

    @property
    def effective_macs(self) -> int:
        """`macs` without those that a mask given in the call makes unnecessary (causal attention, windows)."""
        return self.cost.macs - self.cost.masked_macs

    @property
    def unknown(self) -> dict[str, list[Operation]]:
        """Operators whose cost is not known, by name, each with the kinds of its calls; largest first."""
        found: dict[str, list[Operation]] = {}
        for operation in self.counts:
            if operation.cost is None:
                found.setdefault(operation.name, []).append(operation)

        def touched(name: str) -> int:
            return -sum(self.counts[op] * (op.read_bytes + op.written_bytes) for op in found[name])

        return {name: found[name] for name in sorted(found, key=touched)}

    def total(self, convention: str | Convention = "flops") -> int:
        """The count under a convention: a name (`flopsight.conventions.names()`) or one of your own.

        Raises: ConventionError for a name that is not known.
        """
        count = conventions.get(convention).count
        return sum(n * count(op) for op, n in self.counts.items() if op.cost is not None)
