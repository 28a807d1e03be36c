"""Stand-ins for `torch._C.Value`, so that handles written for fvcore read shapes and arguments of an operator call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from flopsight.calls import Operation
from flopsight.compat.fvcore.operators import Node
from flopsight.cost import TensorSpec

_CONVOLUTION_FLAGS = (False, False, True, True)
"""`benchmark`, `deterministic`, `cudnn_enabled`, `allow_tf32` of a traced `aten::_convolution`."""


@dataclass(frozen=True)
class Value:
    """An argument or result of an operator call: a tensor, a list of tensors, or a plain value."""

    content: Any

    def isCompleteTensor(self) -> bool:
        """Whether it is a tensor of known shape."""
        return isinstance(self.content, TensorSpec)

    def type(self) -> Value:
        """What `sizes`, `dim` and `scalarType` are asked of."""
        return self

    def sizes(self) -> list[int] | None:
        """The shape of a tensor, else None."""
        return list(self.content.shape) if isinstance(self.content, TensorSpec) else None

    def dim(self) -> int | None:
        """The number of dimensions of a tensor, else None."""
        return self.content.ndim if isinstance(self.content, TensorSpec) else None

    def scalarType(self) -> str | None:
        """The dtype of a tensor, else None."""
        return self.content.dtype if isinstance(self.content, TensorSpec) else None

    def toIValue(self) -> Any:
        """The value of a plain argument; None for a tensor."""
        return None if isinstance(self.content, TensorSpec) else self.content

    def node(self) -> Value:
        """What `inputs` is asked of."""
        return self

    def inputs(self) -> list[Value]:
        """The tensors of a list."""
        return [Value(item) for item in self.content] if isinstance(self.content, (tuple, list)) else []


def inputs(node: Node) -> list[Value]:
    """The arguments of a call in the order of the operator that a trace names."""
    given = _arguments(node.operation)
    in_order = _ORDERED.get(node.kind.removeprefix("aten::"))
    return [Value(argument) for argument in (in_order(given) if in_order else given.values())]


def outputs(node: Node) -> list[Value]:
    """The results of a call."""
    return [Value(spec) for spec in node.operation.outputs]


def _arguments(operation: Operation) -> dict[str, Any]:
    """Tensors and plain values by schema name, in the schema's order."""
    given = {**operation.arguments, **operation.inputs}
    namespace, _, rest = operation.operator.partition("::")
    name, _, overload = rest.partition(".")
    packet = getattr(getattr(torch.ops, namespace), name, None)
    schema = getattr(getattr(packet, overload or "default", None), "_schema", None)
    return given if schema is None else {argument.name: given.get(argument.name) for argument in schema.arguments}


def _transposed(spec: TensorSpec) -> TensorSpec:
    return TensorSpec((spec.shape[-1], spec.shape[-2]), spec.dtype)


def _linear(given: dict[str, Any]) -> Sequence[Any]:
    left, right = given.get("mat1", given["self"]), given["mat2"]
    return left, _transposed(right), given["self"] if "mat1" in given else None


def _batch_norm(given: dict[str, Any]) -> Sequence[Any]:
    names = ("weight", "bias", "running_mean", "running_var")
    training = given.get("training", given.get("use_input_stats", False))
    return given["input"], *map(given.get, names), training, given.get("momentum"), given.get("eps"), True


def _einsum(given: dict[str, Any]) -> Sequence[Any]:
    """The equation is gone; the product that was dispatched is one of batches of matrices."""
    return "bmk,bkn->bmn", [given["self"], given["mat2"]], None


_ORDERED: dict[str, Callable[[dict[str, Any]], Iterable[Any]]] = {
    "_convolution": lambda given: (*given.values(), *_CONVOLUTION_FLAGS),
    "linear": _linear,
    "matmul": lambda given: list(given.values())[:2],
    "einsum": _einsum,
    "batch_norm": _batch_norm,
    "instance_norm": _batch_norm,
    "group_norm": lambda given: (given["input"], given["group"], given["weight"], given["bias"], given["eps"], True),
    "layer_norm": lambda given: (*given.values(), True),
    "adaptive_avg_pool2d": lambda given: (given["self"], given.get("output_size", [1, 1])),
}
"""Where the traced operator takes its arguments in another order than the dispatched one."""
