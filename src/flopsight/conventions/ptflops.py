"""As ptflops 0.7.5 counts, a convention for each backend (`ptflops.pytorch_ops`, `ptflops.aten_ops`), and one for
the default backend without functions.

The default backend hooks `nn.ReLU` and replaces `F.relu`, which `nn.ReLU` calls: what is written as a module counts
twice. The convention says what it prints for models made of modules.
"""

from __future__ import annotations

from flopsight.calls import Operation
from flopsight.conventions import Convention, operators, rules
from flopsight.conventions.rules import each, given, per_input, per_output

_MODULE_AND_FUNCTION = 2


def _attention(operation: Operation) -> int:
    """One for each element of the query (its scaling) and of the score matrices (their softmax)."""
    query = given(operation, "query")
    return rules.scores(operation)[0] + (0 if query is None else query.numel)


_NORMS = {
    **each(operators.BATCH_NORMS + operators.GROUP_NORMS, rules.norm(affine=2, plain=1)),
    **each(operators.LAYER_NORMS, per_input()),
}
_TWICE = ("aten::relu", "aten::gelu", "aten::elu", *operators.PRELUS, *operators.POOLS)
_ONCE = {
    "aten::leaky_relu": per_input(),
    "aten::hardtanh": rules.relu6,  # nn.ReLU6 is known by its class and calls F.hardtanh, which is not replaced
    **each(operators.UPSAMPLES, per_output()),
}
_RULES = {
    **_NORMS,
    **each(_TWICE, per_input(_MODULE_AND_FUNCTION)),
    **_ONCE,
    **each(("aten::silu", *operators.SOFTMAXES), per_input()),
}

_LSTM = 4 + 3 + 3  # four gates add two products, three operations for the cell's state, three for the hidden one
_FAMILIES = {"attention": _attention, "recurrent": rules.lstm(_LSTM, _LSTM)}

PTFLOPS = Convention(
    "ptflops",
    "Multiply-accumulates and biases; normalization 2 an element (LayerNorm 1), softmax 1, pooling and most "
    "activations 2 (as module and as function). The tool's default backend.",
    "MACs",
    rules.counting(rules.macs, rules.every_bias, _RULES, families=_FAMILIES),
)

PTFLOPS_MODULES = Convention(
    "ptflops_modules",
    "Multiply-accumulates and biases; normalization 2 an element (LayerNorm 1), pooling and most activations 1. The "
    "tool's default backend told not to count functions.",
    "MACs",
    rules.counting(rules.macs, rules.every_bias, {**_NORMS, **each(_TWICE, per_input()), **_ONCE}),
)

PTFLOPS_ATEN = Convention(
    "ptflops_aten",
    "Multiply-accumulates and biases, nothing else; ptflops with its aten backend.",
    "MACs",
    rules.counting(rules.macs, rules.every_bias, {}),
)
