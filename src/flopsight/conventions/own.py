"""The five conventions of flopsight's own."""

from __future__ import annotations

from flopsight.calls import Operation
from flopsight.conventions import Convention
from flopsight.conventions.rules import cost_of, every_bias, flops, linear, macs, part


def _macs(operation: Operation) -> dict[str, int]:
    return {"contractions": macs(operation)}


def _flops(operation: Operation) -> dict[str, int]:
    return {"contractions": flops(operation)}


def _linear(operation: Operation) -> dict[str, int]:
    return {"contractions": linear(operation), "biases": every_bias(operation)}


def _weights(operation: Operation) -> dict[str, int]:
    return {"contractions": macs(operation), "biases": every_bias(operation)}


def _exact(operation: Operation) -> dict[str, int]:
    cost = cost_of(operation)
    rest = cost.multiply + cost.add + cost.divide + cost.compare + cost.special
    return {**_linear(operation), part(operation): rest}


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
EXACT = Convention("exact", "Every scalar arithmetic operation of every operator.", "operations", _exact)
