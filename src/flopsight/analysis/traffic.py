"""What an operator call reads and writes at least, with nothing but its record to go by. Needs no torch.

`Operation.read_bytes` and `written_bytes` are the sizes of all inputs and results. A kernel may touch less: a view
touches nothing, a lookup reads the rows that it is asked for, a fill reads nothing, and a broadcast tensor takes less
memory than it has elements. Where the record does not tell how much, nothing is counted, so that what is counted is
never more than what moves.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from flopsight.calls import Operation, opened
from flopsight.cost import TensorSpec


class Moves(Enum):
    """What an operator touches: all inputs and results, its results alone, or no elements at all."""

    ALL = "inputs and results"
    RESULTS = "results"
    NOTHING = "nothing"


BY_REASON = {
    "a view: the same memory under another shape": Moves.NOTHING,
    "allocates memory": Moves.NOTHING,
    "asks for a version": Moves.NOTHING,
    "asks for or sets something about a tensor, not its elements": Moves.NOTHING,
    "asks for something about a tensor, not its elements": Moves.NOTHING,
    "checks or prints, and computes nothing": Moves.NOTHING,
    "marks a range of calls for PyTorch's profiler": Moves.NOTHING,
    "marks the dimension that a transform maps over": Moves.NOTHING,
    "packs a weight, once": Moves.NOTHING,
    "packs, unpacks or copies a weight, once": Moves.NOTHING,
    "passes numbers on, as inference does": Moves.NOTHING,
    "searches for an algorithm, once for each shape": Moves.NOTHING,
    "sends, receives or waits for elements": Moves.NOTHING,
    "views or lays out the parts of a nested or sparse tensor": Moves.NOTHING,
    "views, copies, fills or asks": Moves.NOTHING,
    "changes the element type and no value": Moves.ALL,
    "copies elements": Moves.ALL,
    "copies elements and fills the border": Moves.RESULTS,
    "copies elements to or from positions that are given": Moves.RESULTS,
    "copies elements to positions that are given": Moves.RESULTS,
    "copies stored elements to or from another layout": Moves.RESULTS,
    "copies the nearest element": Moves.RESULTS,
    "draws random numbers": Moves.RESULTS,
    "fills memory with one value": Moves.RESULTS,
    "generates constants from sizes alone": Moves.RESULTS,
    "keeps or clears elements by their position": Moves.RESULTS,
    "looks rows up": Moves.RESULTS,
}
"""By the reason why an operator's cost is zero."""

_BY_POSITION = {"embedding", "resample", "vision", "loss", "sparse"}
"""Families in which values decide which elements of an input are read."""

_MAY_RETURN_ITS_INPUT = {
    "aten::contiguous", "aten::lift", "aten::lift_fresh", "aten::to", "aten::type_as", "aten::resolve_conj",
    "aten::resolve_neg", "aten::_lazy_clone", "aten::view", "aten::pin_memory",
}  # fmt: skip

_WHOLE_IN_PLACE = {"fills memory with one value", "draws random numbers"}
"""Reasons of operators that write every element where they write in place; others write some of them."""

_ONLY_SIZES_OF_SELF = {"pooling", "padding"}
"""Families whose backward operators take `self` for its shape."""

_SQUARES = {"aten::mul", "aten::mm", "aten::bmm", "aten::matmul", "aten::dot", "aten::inner"}
"""Products that are often of a tensor with itself."""


class Traffic(NamedTuple):
    """What a call touches at least: bytes of each input that it reads, and of each result that it writes."""

    reads: tuple[tuple[TensorSpec, int], ...]
    writes: tuple[int, ...]


NO_TRAFFIC = Traffic((), ())


def moves(operation: Operation) -> Moves:
    """Which of its tensors an operator touches at least."""
    in_place = operation.name.endswith("_")
    if operation.cost is None or operation.name in _MAY_RETURN_ITS_INPUT:
        return Moves.NOTHING
    if operation.reason is not None:
        found = BY_REASON.get(operation.reason, Moves.NOTHING)
        some = in_place and found is Moves.RESULTS and operation.reason not in _WHOLE_IN_PLACE
        return Moves.NOTHING if some else found
    if operation.family in _BY_POSITION:
        return Moves.NOTHING if in_place else Moves.RESULTS
    return Moves.ALL


def traffic(operation: Operation, stored: dict[TensorSpec, int]) -> Traffic:
    """What one call reads and writes at least. stored: tensors that take less memory than they have elements."""
    touched = moves(operation)
    if touched is Moves.NOTHING:
        return NO_TRAFFIC
    writes = tuple(spec.nbytes for spec in operation.outputs)
    if touched is Moves.RESULTS:
        return Traffic((), writes)
    reads: list[tuple[TensorSpec, int]] = []
    for name, specs in operation.inputs.items():
        share = 0 if _is_unread(operation, name) else _reached(operation) if name in ("input", "self") else 1
        reads += [(spec, int(share * min(spec.nbytes, stored.get(spec, spec.nbytes)))) for spec in opened(specs)]
    if operation.name in _SQUARES:
        reads = list({spec: (spec, size) for spec, size in reads}.values())
    return Traffic(tuple(reads), writes)


def _is_unread(operation: Operation, name: str) -> bool:
    """Whether an operator is given a tensor and reads none of it."""
    if name == "out" or (name == "self" and operation.arguments.get("beta") == 0):
        return True
    if name == "self" and operation.name.endswith("backward"):
        return operation.family in _ONLY_SIZES_OF_SELF
    if name == "self" and operation.name.endswith("_"):
        return operation.reason == "copies elements"
    wanted = operation.arguments.get("output_mask")
    if operation.name == "aten::convolution_backward" and isinstance(wanted, list):
        return (name == "input" and not wanted[1]) or (name == "weight" and not wanted[0])
    return False


def _reached(operation: Operation) -> Fraction:
    """The share of its input that a convolution or pooling reaches: less than 1 where it strides over elements."""
    weight, stride = operation.inputs.get("weight"), operation.arguments.get("stride")
    kernel = weight.shape[2:] if isinstance(weight, TensorSpec) else operation.arguments.get("kernel_size")
    if operation.family not in ("convolution", "pooling") or not isinstance(stride, list) or not kernel or not stride:
        return Fraction(1)
    if operation.arguments.get("transposed") or operation.name.endswith("backward"):
        return Fraction(1)
    sides = list(kernel) if isinstance(kernel, (tuple, list)) else [kernel]
    steps = stride if len(stride) == len(sides) else stride[:1] * len(sides)
    share = Fraction(1)
    for side, step in zip(sides, steps, strict=True):
        share *= Fraction(min(side, step), step)
    return share


def broadcast(operations: Iterable[Operation]) -> dict[TensorSpec, int]:
    """Tensors that a view in the run made larger than the memory they take, with that memory.

    The record does not say which tensor a call was given; any of the same shape and dtype counts as that one.
    """
    stored: dict[TensorSpec, int] = {}
    for operation in operations:
        if operation.reason is None or not operation.reason.startswith("a view"):
            continue
        held = sum(min(spec.nbytes, stored.get(spec, spec.nbytes)) for spec in operation.tensors())
        for spec in operation.outputs:
            if held < spec.nbytes:
                stored[spec] = min(held, stored.get(spec, held))
    return stored
