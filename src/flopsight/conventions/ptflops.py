"""As ptflops 0.7.5 counts, one convention for each of its backends (`ptflops.pytorch_ops`, `ptflops.aten_ops`).

The default backend hooks `nn.ReLU` and replaces `F.relu`, which `nn.ReLU` calls: what is written as a module counts
twice. The convention says what it prints for models made of modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flopsight.conventions import Convention, operators, rules
from flopsight.conventions.rules import each, given, per_input, per_output

if TYPE_CHECKING:
    from flopsight.record import Operation

_MODULE_AND_FUNCTION = 2
_RELU6 = (0, 6)


def _relu6(operation: Operation) -> int:
    """`nn.ReLU6` is known by its class and calls `F.hardtanh`, which is not replaced; other bounds are not known."""
    bounds = (operation.arguments.get("min_val"), operation.arguments.get("max_val"))
    return per_input()(operation) if bounds == _RELU6 else 0


def _attention(operation: Operation) -> int:
    """One for each element of the query (its scaling) and of the score matrices (their softmax)."""
    query = given(operation, "query")
    return rules.scores(operation)[0] + (0 if query is None else query.numel)


_RULES = {
    **each(operators.BATCH_NORMS, rules.norm(affine=2, plain=1)),
    **each(operators.GROUP_NORMS, rules.norm(affine=2, plain=1)),
    **each(operators.LAYER_NORMS, per_input()),
    **each(("aten::relu", "aten::gelu", "aten::elu", *operators.PRELUS), per_input(_MODULE_AND_FUNCTION)),
    **each(("aten::leaky_relu", "aten::silu"), per_input()),
    "aten::hardtanh": _relu6,
    **each(operators.POOLS, per_input(_MODULE_AND_FUNCTION)),
    **each(operators.SOFTMAXES, per_input()),
    **each(operators.UPSAMPLES, per_output()),
}

PTFLOPS = Convention(
    "ptflops",
    "Multiply-accumulates and biases; normalization 2 an element (LayerNorm 1), softmax 1, pooling and most "
    "activations 2 (as module and as function). The tool's default backend.",
    "MACs",
    rules.counting(rules.macs, rules.every_bias, _RULES, families={"attention": _attention}),
)

PTFLOPS_ATEN = Convention(
    "ptflops_aten",
    "Multiply-accumulates and biases, nothing else; ptflops with its aten backend.",
    "MACs",
    rules.counting(rules.macs, rules.every_bias, {}),
)
