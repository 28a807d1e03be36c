"""As fvcore 0.1.5 counts (`fvcore.nn.jit_handles`); timm's published tables are its totals."""

from __future__ import annotations

from flopsight.conventions import Convention, operators, rules
from flopsight.conventions.rules import each, per_input, per_output

_RULES = {
    **each(operators.BATCH_NORMS, rules.norm(affine=2, plain=1, training=(5, 4))),
    **each(operators.LAYER_NORMS + operators.GROUP_NORMS, rules.norm(affine=5, plain=4)),
    "aten::_adaptive_avg_pool2d": per_input(),
    "aten::upsample_nearest2d": per_output(),
    "aten::upsample_bilinear2d": per_output(4),
    "aten::grid_sampler_2d": per_output(4),
}

FVCORE = Convention(
    "fvcore",
    "Multiply-accumulates without biases; batch norm 2 an element, other norms 5 (1 and 4 without weights), adaptive "
    "average pooling 1, upsampling. The tool and timm's tables call them FLOPs.",
    "MACs",
    rules.counting(rules.macs, rules.no_bias, _RULES),
)
