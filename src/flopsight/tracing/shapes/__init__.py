"""Results of the hottest operators from metadata alone, in place of PyTorch's meta kernels.

A meta kernel written in Python takes 0.1 to 0.8 ms, a rule here microseconds. A rule returns None wherever it is not
sure; the meta kernel then decides, or raises.
Where a meta kernel's message is less clear than that of the real kernel, the rule raises the latter (`Mismatch`).
Property tests hold each rule against PyTorch's real kernels.
"""

from flopsight.tracing.shapes import (
    attention,
    contraction,
    convolution,
    elementwise,
    gradients,
    linear_algebra,
    lookup,
    loss,
    movement,
    normalization,
    recurrent,
    reduction,
    views,
)
from flopsight.tracing.shapes.layout import corrected
from flopsight.tracing.shapes.rules import RULES, result

__all__ = [
    "RULES", "attention", "contraction", "convolution", "corrected", "elementwise", "gradients", "linear_algebra",
    "lookup", "loss", "movement", "normalization", "recurrent", "reduction", "result", "views",
]  # fmt: skip
"""The files of rules and layouts among them, which declare theirs as they load."""
