"""As torchstat 0.0.7 counts, one convention for each of its columns (`torchstat.compute_flops`, `compute_madd`,
`compute_memory`).

C channels of an image · E elements of the input, O of the output · k*k positions of a pooling window
"""

from __future__ import annotations

from collections.abc import Mapping

from flopsight.calls import Operation
from flopsight.conventions import Convention, operators, rules
from flopsight.conventions.rules import Rule, each, first, per_input, per_output
from flopsight.cost import product

_POOLS = ("aten::avg_pool2d", "aten::max_pool2d", "aten::max_pool2d_with_indices")
_RELUS = ("aten::relu", "aten::elu", "aten::leaky_relu", *operators.PRELUS)
_CHANNEL_PARAMETERS = 2  # of a batch norm: scale and shift, whether it has them or not


def _window(less: int) -> Rule:
    """Each of O results joins k*k values: (k*k - less)*O."""

    def rule(operation: Operation) -> int:
        sizes: list[int] = operation.arguments["kernel_size"]
        return (sizes[0] * sizes[-1] - less) * operation.outputs[0].numel

    return rule


_FLOPS: Mapping[str, Rule] = {
    **each(operators.BATCH_NORMS, rules.norm(affine=2, plain=1)),
    **each(_POOLS + _RELUS, per_input()),
    "aten::hardtanh": rules.relu6,
    **each(operators.UPSAMPLES, per_output()),
}

_MADD: Mapping[str, Rule] = {
    **each(operators.BATCH_NORMS, per_input(4)),
    "aten::avg_pool2d": _window(less=0),
    "aten::max_pool2d": _window(less=1),
    "aten::max_pool2d_with_indices": _window(less=1),
    "aten::relu": per_input(),
    "aten::hardtanh": rules.relu6,
    **each(("aten::softmax", "aten::_softmax"), rules.softmax),
}


def _bytes_read(operation: Operation) -> Mapping[str, int]:
    """E elements, and every parameter: of a batch norm, 2*C of them (not the running mean and variance)."""
    kind, spec = rules.kind(operation), first(operation) if operation.inputs else None
    if spec is None or not _moves(operation, kind):
        return {}
    elements = sum(tensor.numel for tensor in operation.tensors())
    if kind in operators.BATCH_NORMS:
        elements = spec.numel + _CHANNEL_PARAMETERS * product(spec.shape[1:2])
    return {rules.part(operation): elements * spec.itemsize}


def _bytes_written(operation: Operation) -> Mapping[str, int]:
    """O elements."""
    kind = rules.kind(operation)
    return {rules.part(operation): operation.outputs[0].nbytes} if _moves(operation, kind) else {}


def _moves(operation: Operation, kind: str) -> bool:
    counted = kind in _FLOPS and kind not in operators.UPSAMPLES
    relu6 = kind != "aten::hardtanh" or rules.relu6(operation) > 0
    return relu6 and (counted or rules.cost_of(operation).macs > 0)


FLOPS = Convention(
    "torchstat",
    "Multiply-accumulates, and the biases of convolutions; batch norm 2 an element, ReLUs, pooling (not adaptive) and "
    "upsampling 1. The tool's column Flops.",
    "MACs",
    rules.counting(rules.macs, rules.convolution_bias, _FLOPS),
)

MADD = Convention(
    "torchstat_madd",
    "Multiplications and additions of contractions, and the biases of convolutions; batch norm 4 an element, pooling "
    "window by window (not adaptive), ReLU, softmax. The tool's column MAdd.",
    "FLOPs",
    rules.counting(rules.linear, rules.convolution_bias, _MADD),
)

READ = Convention(
    "torchstat_read",
    "Bytes of inputs and parameters of contractions, batch norms, poolings (not adaptive) and ReLUs. The tool's column "
    "MemRead(B).",
    "bytes",
    _bytes_read,
)

WRITE = Convention(
    "torchstat_write",
    "Bytes of results of the same operators. The tool's column MemWrite(B).",
    "bytes",
    _bytes_written,
)
