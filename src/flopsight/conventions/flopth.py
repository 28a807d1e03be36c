"""As flopth 0.1.6 counts (`flopth.helper`)."""

from __future__ import annotations

from flopsight.conventions import Convention, operators, rules
from flopsight.conventions.rules import each, per_input, per_output

_RULES = {
    **each(operators.BATCH_NORMS + operators.GROUP_NORMS, rules.norm(affine=2, plain=1)),
    **each(operators.LAYER_NORMS, per_input()),
    **each(operators.POOLS_2D, per_input()),
    **each(("aten::relu", "aten::gelu", "aten::elu", "aten::celu", "aten::selu", "aten::leaky_relu"), per_input()),
    **each(("aten::tanh", "aten::hardswish", "aten::hardsigmoid", *operators.PRELUS), per_input()),
    "aten::hardtanh": rules.relu6,
    **each(operators.UPSAMPLES, per_output()),
}

FLOPTH = Convention(
    "flopth",
    "Multiply-accumulates, and the biases of convolutions; normalization 2 an element (LayerNorm 1), two-dimensional "
    "pooling, upsampling and activations (not sigmoid, not softmax) 1.",
    "MACs",
    rules.counting(rules.macs, rules.convolution_bias, _RULES),
)
