"""The weights that calls read. Needs no torch."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from flopsight.analysis.experts import GROUPED
from flopsight.calls import Operation
from flopsight.cost import TensorSpec
from flopsight.record import Record

_LOOKUPS = {"aten::embedding"}


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
