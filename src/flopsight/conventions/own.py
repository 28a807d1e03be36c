"""The five conventions of flopsight's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flopsight.conventions import Convention
from flopsight.cost import FLOPS_PER_MAC, Cost

if TYPE_CHECKING:
    from flopsight.record import Operation


def _cost(operation: Operation) -> Cost:
    assert operation.cost is not None, "a convention is asked only about known costs"
    return operation.cost


def _macs(operation: Operation) -> dict[str, int]:
    return {"contractions": _cost(operation).macs}


def _flops(operation: Operation) -> dict[str, int]:
    return {"contractions": FLOPS_PER_MAC * _cost(operation).macs}


def _linear(operation: Operation) -> dict[str, int]:
    cost = _cost(operation)
    return {"contractions": FLOPS_PER_MAC * cost.macs - cost.results, "biases": cost.biases}


def _weights(operation: Operation) -> dict[str, int]:
    cost = _cost(operation)
    return {"contractions": cost.macs, "biases": cost.biases}


def _exact(operation: Operation) -> dict[str, int]:
    cost = _cost(operation)
    rest = cost.multiply + cost.add + cost.divide + cost.compare + cost.special
    return {**_linear(operation), operation.family: rest}


MACS = Convention("macs", "Multiply-accumulates of contractions; what most vision papers call FLOPs.", "MACs", _macs)
FLOPS = Convention(
    "flops", "Two for each multiply-accumulate of a contraction; language-model papers, MFU.", "FLOPs", _flops
)
LINEAR = Convention(
    "linear", "Exact multiplications and additions of contractions and biases; textbooks.", "FLOPs", _linear
)
WEIGHTS = Convention(
    "weights", "Multiplications of contractions, the bias as one more weight: positions x parameters.", "MACs", _weights
)
EXACT = Convention(
    "exact", "Every scalar arithmetic operation of every operator.", "operations", _exact
)
