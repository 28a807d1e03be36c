"""A run as kernels: groups of operator calls that read their inputs and write their results once. Needs no torch.

Eager, each call is a kernel of its own. Fused, a kernel is a call that a compiler leaves to a library (a matrix
product, a convolution, attention, ...) with all that follows it in the same phase up to the next such call; what comes
before the first belongs to it. That is more than compilers fuse, so a run of fused kernels moves no more than theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from flopsight.analysis.traffic import NO_TRAFFIC, Traffic, broadcast, traffic
from flopsight.calls import OpCall, Operation, ParameterRecord
from flopsight.cost import TensorSpec
from flopsight.record import Record

ANCHORS = {
    "attention", "communication", "contraction", "convolution", "linalg", "quantized", "recurrent", "sorting", "sparse",
    "spectral",
}  # fmt: skip
"""Families whose operators compilers leave to libraries: a kernel has one of them at most."""


@dataclass
class Kernel:
    """Calls that run as one, and the bytes that they move together.

    parameter_bytes: of parameters and buffers that the run reads here for the first time. read_bytes: of everything
    else that is read. written_bytes: of what is written.
    """

    calls: list[OpCall] = field(default_factory=list)
    parameter_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0


def kernels(record: Record, *, fused: bool = False) -> Iterator[Kernel]:
    """The kernels of a run in the order they run. Calls that neither move nor compute are left out."""
    stored = broadcast(record.operations)
    held = _Parameters(record)

    @cache
    def moved(operation: Operation) -> Traffic:
        return traffic(operation, stored)

    group: list[OpCall] = []
    anchored = False
    for call in record:
        anchor = call.operation.family in ANCHORS
        if group and (not fused or (anchor and anchored) or call.phase != group[0].phase):
            yield from _made([(each, moved(each.operation)) for each in group], held)
            group, anchored = [], False
        group.append(call)
        anchored = anchored or anchor
    yield from _made([(each, moved(each.operation)) for each in group], held)


def _made(group: list[tuple[OpCall, Traffic]], held: _Parameters) -> Iterator[Kernel]:
    """The kernel of some calls, if they do anything.

    A tensor of the shape and dtype of one that an earlier call of the kernel returned, or read, is taken to be that
    one. Of the results, the largest of the last call that writes is written: another may be used up inside.
    """
    kernel = Kernel()
    known: set[TensorSpec] = set()
    for call, moved in group:
        operation = call.operation
        reads, first_bytes = held.first_read(call, moved)
        kernel.parameter_bytes += first_bytes
        if len(group) > 1:
            reads = [(spec, size) for spec, size in dict.fromkeys(reads) if spec not in known]
            known.update(spec for spec, _ in reads)
        kernel.read_bytes += sum(size for _, size in reads)
        if moved.writes:
            kernel.written_bytes = max(moved.writes) if len(group) > 1 else sum(moved.writes)
        if moved is not NO_TRAFFIC or any(spec in known for spec in operation.tensors()):
            known.update(operation.outputs)
        if moved is not NO_TRAFFIC or operation.cost is None or operation.cost.exact:
            kernel.calls.append(call)
    if kernel.calls:
        yield kernel


class _Parameters:
    """Which parameters and buffers the run has read already."""

    def __init__(self, record: Record) -> None:
        self._modules = record.modules
        self._read: set[int] = set()

    def first_read(self, call: OpCall, moved: Traffic) -> tuple[list[tuple[TensorSpec, int]], int]:
        """What a call reads besides its module's parameters, and the bytes of those not read before.

        A parameter is told by its sizes, in any order, and its dtype.
        """
        own: dict[tuple[tuple[int, ...], str], list[ParameterRecord]] = {}
        for held in self._modules[call.module].parameters:
            own.setdefault(_alike(held.spec), []).append(held)
        reads: list[tuple[TensorSpec, int]] = []
        first_bytes = 0
        for spec, size in moved.reads:
            alike = own.get(_alike(spec), [])
            parameter = next((each for each in alike if each.identity not in self._read), None)
            if parameter is None:
                reads.append((spec, size))
            else:
                self._read.add(parameter.identity)
                first_bytes += size
        return reads, first_bytes


def _alike(spec: TensorSpec) -> tuple[tuple[int, ...], str]:
    return tuple(sorted(spec.shape)), spec.dtype
