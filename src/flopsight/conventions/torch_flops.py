"""As torch_flops 0.4.1 counts (`torch_flops.flops_ops`).   K positions of a pooling window"""

from __future__ import annotations

from flopsight.calls import Operation
from flopsight.conventions import Convention, operators, rules
from flopsight.conventions.rules import each, first, given, per_output
from flopsight.cost import product

_NORM = 4  # subtract, divide, scale, shift; the tool means 2 without weights, but its check is always true
_LEAKY_RELU = 4
_ELEMENTWISE = ("aten::add", "aten::sub", "aten::mul", "aten::div", "aten::exp", "aten::eq")


def _window(operation: Operation) -> int:
    """K, from the kernel size."""
    sizes = operation.arguments["kernel_size"]
    dims = operation.outputs[0].ndim - 2
    return product(sizes) if len(sizes) > 1 else sizes[0] ** dims


def _adaptive_window(operation: Operation) -> int:
    """K, as the tool takes it: in/out where that divides, else in - out*(in//out) + 1."""
    sizes = zip(first(operation).shape[2:], operation.outputs[0].shape[2:], strict=True)
    return product(size // out if size % out == 0 else size - out * (size // out) + 1 for size, out in sizes)


def _attention(operation: Operation) -> int:
    """Scaling, softmax, and the mask if there is one."""
    elements, _ = rules.scores(operation)
    masked = operation.arguments.get("is_causal") or given(operation, "attn_mask") is not None
    return rules.attention_softmax(operation) + elements * (2 if masked else 1)


_RULES = {
    **each(operators.BATCH_NORMS + operators.LAYER_NORMS + operators.GROUP_NORMS, rules.per_input(_NORM)),
    **each(("aten::relu", "aten::gelu"), per_output()),
    "aten::leaky_relu": per_output(_LEAKY_RELU),
    **each(operators.AVERAGE_POOLS, lambda operation: _window(operation) * operation.outputs[0].numel),
    **each(operators.MAX_POOLS, lambda operation: (_window(operation) - 1) * operation.outputs[0].numel),
    **each(
        operators.ADAPTIVE_AVERAGE_POOLS, lambda operation: _adaptive_window(operation) * operation.outputs[0].numel
    ),
    **each(
        operators.ADAPTIVE_MAX_POOLS, lambda operation: (_adaptive_window(operation) - 1) * operation.outputs[0].numel
    ),
    **each(operators.SOFTMAXES, rules.softmax),
    **each(_ELEMENTWISE + operators.UPSAMPLES, per_output()),
}

TORCH_FLOPS = Convention(
    "torch_flops",
    "Exact multiplications and additions of contractions and biases (as `linear`); normalization 4 an element, ReLU, "
    "GELU and element-wise arithmetic 1, softmax 3, pooling its window.",
    "FLOPs",
    rules.counting(rules.linear, rules.every_bias, _RULES, families={"attention": _attention}),
)
