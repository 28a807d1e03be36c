"""As thop 0.1.1 counts (`thop.vision.basic_hooks`, `thop.vision.calc_func`, `thop.rnn_hooks`)."""

from __future__ import annotations

from flopsight.calls import Operation
from flopsight.conventions import Convention, operators, rules
from flopsight.conventions.rules import each, first, per_input, per_output

_BICUBIC = 224 + 35  # 128 + 96 to solve for the weights, 16 + 12 + 4 + 3 to apply them


def _adaptive(operation: Operation) -> int:
    """Each output position adds in/out elements and divides once: input plus output elements."""
    return first(operation).numel + operation.outputs[0].numel


_RULES = {
    **each(operators.BATCH_NORMS + operators.LAYER_NORMS, rules.norm(affine=4, plain=2)),
    **each(operators.SOFTMAXES, rules.softmax),
    **each(operators.AVERAGE_POOLS, per_output()),
    **each(operators.ADAPTIVE_AVERAGE_POOLS, _adaptive),
    **each(operators.PRELUS, per_input()),
    **each(operators.NEAREST, per_output()),
    "aten::upsample_linear1d": per_output(5),
    "aten::upsample_bilinear2d": per_output(11),
    "aten::upsample_bicubic2d": per_output(_BICUBIC),
}

_GATES = 4  # of an LSTM: each adds two products; then c = f*c + i*g and h = o*tanh(c), 4 together
_FAMILIES = {"attention": rules.attention_softmax, "recurrent": rules.lstm(_GATES + 4, _GATES + 2 * _GATES + 4)}

THOP = Convention(
    "thop",
    "Multiply-accumulates without biases; normalization 4 an element (2 without weights), softmax, average pooling, "
    "PReLU, upsampling.",
    "MACs",
    rules.counting(rules.macs, rules.no_bias, _RULES, families=_FAMILIES),
)
