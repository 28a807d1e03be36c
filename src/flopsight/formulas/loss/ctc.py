"""Connectionist temporal classification.   N samples · T frames · C classes · S = 2 * labels + 1 states

alpha[t, s] is the logarithm of the probability of being in state s after frame t, beta[t, s] that of what follows.
Every state of every frame counts, also those that cannot be reached; which labels repeat is not known.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.equation import work
from flopsight.formulas.registry import Case, formula

FAMILY = "loss"

_STEP = "m = max(max(a, b), c); log(exp(a - m) + exp(b - m) + exp(c - m)) + m + p"
_END = "m = max(a, b); -(log(exp(a - m) + exp(b - m)) + m)"
_GATHER = "z = alpha + beta; m = max(g, z); log(exp(g - m) + exp(z - m)) + m"
_GRADIENT = "(exp(p) - exp(g + loss - p)) * grad"


class _Lattice(NamedTuple):
    """Over all samples: N samples, sum of T frames, sum of T * S cells, sum of (T - 1) * S steps."""

    samples: int
    frames: int
    cells: int
    steps: int


def _lattice(log_probs: TensorSpec, targets: TensorSpec, frames: Any, labels: Any) -> _Lattice:
    """Lengths that are tensors are not known: every sample has all frames, and all its labels are used."""
    samples = log_probs.shape[1] if log_probs.ndim == 3 else 1
    if isinstance(frames, TensorSpec) or isinstance(labels, TensorSpec):
        T, states = log_probs.shape[0], 2 * targets.numel + samples
        return _Lattice(samples, T * samples, T * states, (T - 1) * states)
    pairs = [(T, 2 * length + 1) for T, length in zip(frames, labels, strict=True)]
    steps = sum(max(T - 1, 0) * states for T, states in pairs)
    return _Lattice(samples, sum(frames), sum(T * states for T, states in pairs), steps)


@formula(
    "aten::_ctc_loss",
    case=Case(
        {"log_probs": (5, 2, 3), "targets": (2, 4), "input_lengths": [5, 4], "target_lengths": [4, 1]},
        ((2,), (2, 5, 9)),
        Cost(compare=2, add=7, special=4) * (4 * 9 + 3 * 3) + Cost(compare=1, add=5, special=3) * 2,
    ),
)
def ctc_loss(log_probs: TensorSpec, targets: TensorSpec, input_lengths: Any, target_lengths: Any) -> Cost:
    """alpha[t, s] = log(exp(a) + exp(b) + exp(c)) + p, from alpha[t - 1] at s, s - 1 and s - 2; -log(exp(a) + exp(b))

    The largest is taken out of each logarithm of a sum. (T - 1) * S such steps, then the last two states are joined.
    """
    lattice = _lattice(log_probs, targets, input_lengths, target_lengths)
    return work(_STEP) * lattice.steps + work(_END) * lattice.samples


@formula(
    "aten::_ctc_loss_backward",
    case=Case(
        {
            "log_probs": (5, 1, 3),
            "targets": (1, 4),
            "input_lengths": [5],
            "target_lengths": [4],
            "zero_infinity": False,
        },
        (5, 1, 3),
        Cost(compare=2, add=7, special=4) * (4 * 9)
        + Cost(compare=1, add=5, special=3) * (5 * 9)
        + Cost(add=3, special=2, multiply=1) * (5 * 3),
    ),
)
def ctc_loss_backward(
    log_probs: TensorSpec, targets: TensorSpec, input_lengths: Any, target_lengths: Any, zero_infinity: bool = False
) -> Cost:
    """(exp(p) - exp(log(sum of exp(alpha + beta) over the states of a class) + loss - p)) * grad

    beta takes as many steps as alpha; each of T * S cells joins the sum of its class; then T * C gradients, and a
    selection for each sample with `zero_infinity`.
    """
    lattice = _lattice(log_probs, targets, input_lengths, target_lengths)
    gradients = work(_GRADIENT) * (lattice.frames * log_probs.shape[-1])
    chosen = Cost(compare=lattice.samples if zero_infinity else 0)
    return work(_STEP) * lattice.steps + work(_GATHER) * lattice.cells + gradients + chosen


@formula(
    "aten::_cudnn_ctc_loss",
    "aten::miopen_ctc_loss",
    case=Case(
        {"log_probs": (5, 1, 3), "targets": (4,), "input_lengths": [5], "target_lengths": [4], "zero_infinity": False},
        ((1,), (5, 1, 3)),
        Cost(compare=2, add=7, special=4) * (2 * 4 * 9)
        + Cost(compare=1, add=5, special=3) * (1 + 5 * 9)
        + Cost(add=3, special=2, multiply=1) * (5 * 3),
    ),
)
def ctc_loss_with_gradient(
    log_probs: TensorSpec, targets: TensorSpec, input_lengths: Any, target_lengths: Any, zero_infinity: bool = False
) -> Cost:
    """The loss of `_ctc_loss` and, in the same call, the gradient of `_ctc_loss_backward`"""
    given = (log_probs, targets, input_lengths, target_lengths)
    return ctc_loss(*given) + ctc_loss_backward(*given, zero_infinity)
