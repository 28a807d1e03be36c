"""As DeepSpeed's FLOPS profiler counts (0.19, `deepspeed.profiling.flops_profiler.profiler`).

Its second figure, MACs, is the convention `macs`.
"""

from __future__ import annotations

from flopsight.calls import Operation
from flopsight.conventions import Convention, operators, rules
from flopsight.conventions.rules import each, per_input, per_output


def _convolution_bias(operation: Operation) -> int:
    """One for each bias addition of a convolution; those of a linear layer are left out."""
    return rules.every_bias(operation) if operation.family == "convolution" else 0


_RULES = {
    **each(operators.BATCH_NORMS, rules.norm(affine=2, plain=1, training=(5, 4))),
    **each(operators.LAYER_NORMS + operators.GROUP_NORMS, rules.norm(affine=5, plain=4)),
    **each(("aten::relu", "aten::gelu", "aten::elu", "aten::leaky_relu", "aten::silu", *operators.PRELUS), per_input()),
    **each(operators.POOLS, per_input()),
    **each(operators.SOFTMAXES, per_input()),
    **each(operators.UPSAMPLES, per_output()),
}

_LSTM = -8 + 4 + 3 + 3  # one addition fewer for each of 8 products; then as in ptflops
_FAMILIES = {"recurrent": rules.lstm(_LSTM, _LSTM + 8)}

DEEPSPEED = Convention(
    "deepspeed",
    "Two for each multiply-accumulate, biases of convolutions; batch norm 2 an element, other norms 5, activations, "
    "pooling, softmax and upsampling 1.",
    "FLOPs",
    rules.counting(rules.flops, _convolution_bias, _RULES, families=_FAMILIES),
)
