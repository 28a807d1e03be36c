"""References of connectionist temporal classification: every state of every frame, impossible ones at log 0."""

from __future__ import annotations

import numpy as np
import torch
from formulas.elementwise import proof_of, sample, seeds
from hypothesis import strategies as st
from oracle import Scalar, exp, log, maximum

LOG_0 = -1e30


def join(*numbers):
    """log(sum of exp), with the largest taken out."""
    most = numbers[0]
    for other in numbers[1:]:
        most = maximum(most, other)
    whole = exp(numbers[0] - most)
    for other in numbers[1:]:
        whole = whole + exp(other - most)
    return log(whole) + most


def states_of(labels):
    states = [0]
    for label in labels:
        states += [label, 0]
    return states


def lattice(log_p, states, frames):
    """alpha of one sample: forwards from the first two states, over frames in their order."""
    alpha = [[Scalar(LOG_0) for _ in states] for _ in frames]
    if not alpha:
        return alpha
    for s in range(min(2, len(states))):
        alpha[0][s] = log_p[frames[0], states[s]]
    for t, frame in enumerate(frames[1:], 1):
        for s, state in enumerate(states):
            one = alpha[t - 1][s - 1] if s >= 1 else Scalar(LOG_0)
            skips = s >= 2 and state != states[s - 2]
            two = alpha[t - 1][s - 2] if skips else Scalar(LOG_0)
            alpha[t][s] = join(alpha[t - 1][s], one, two) + log_p[frame, state]
    return alpha


def samples(log_probs, targets, input_lengths, target_lengths):
    for n, (frames, length) in enumerate(zip(input_lengths, target_lengths, strict=True)):
        yield n, log_probs[:, n], states_of(targets[n, :length]), list(range(frames))


def loss(log_probs, targets, input_lengths, target_lengths):
    out = np.empty(len(input_lengths), dtype=object)
    for n, log_p, states, frames in samples(log_probs, targets, input_lengths, target_lengths):
        last = lattice(log_p, states, frames)[-1]
        out[n] = -join(last[-1], last[-2] if len(last) > 1 else Scalar(LOG_0))
    return out


def forward(log_probs, targets, input_lengths, target_lengths):
    return loss(log_probs, targets, input_lengths, target_lengths), None


def gradient(grad, log_probs, targets, input_lengths, target_lengths, neg_log_likelihood, log_alpha, zero_infinity):
    out = np.empty(log_probs.shape, dtype=object)
    for index in np.ndindex(*out.shape):
        out[index] = Scalar(0.0)
    for n, log_p, states, frames in samples(log_probs, targets, input_lengths, target_lengths):
        back = lattice(log_p, states[::-1], frames[::-1])
        beta = [row[::-1] for row in back[::-1]]
        joined = {}
        for t in frames:
            for s, state in enumerate(states):
                known = joined.get((t, state), Scalar(LOG_0))
                joined[t, state] = join(known, log_alpha[n, t, s] + beta[t][s])
        for t in frames:
            for c in range(log_probs.shape[-1]):
                through = joined.get((t, c), Scalar(LOG_0))
                p = log_p[t, c]
                out[t, n, c] = (exp(p) - exp(through + neg_log_likelihood[n] - p)) * grad[n]
        if zero_infinity:
            _ = neg_log_likelihood[n] == float("inf")
    return out


def both(log_probs, targets, input_lengths, target_lengths, zero_infinity):
    """The loss, and its gradient as a call of its own would have it."""
    losses = loss(log_probs, targets, input_lengths, target_lengths)
    longest = 2 * targets.shape[1] + 1
    saved = np.full((len(losses), log_probs.shape[0], longest), LOG_0, dtype=object)
    ones = [Scalar(1.0)] * len(losses)
    given = (log_probs, targets, input_lengths, target_lengths)
    return losses, gradient(ones, *given, losses, saved, zero_infinity)


@st.composite
def sequences(draw, full=False, **options):
    """Scores of three classes, of which 0 is blank. Of `full` ones, all frames and all labels are used."""
    frames, count, longest = draw(st.integers(1, 4)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    scores = sample("signed", (frames, count, 3), draw(seeds))
    log_probs = scores.log_softmax(-1)
    labels = sample("int", (count, longest), draw(seeds)) % 2 + 1
    given = {"log_probs": log_probs, "targets": labels}
    given["input_lengths"] = [frames if full else draw(st.integers(1, frames)) for _ in range(count)]
    given["target_lengths"] = [longest if full else draw(st.integers(0, longest)) for _ in range(count)]
    return {**given, **{name: draw(option) for name, option in options.items()}}


@st.composite
def saved(draw):
    """The arguments of the gradient, with what PyTorch's forward operator saves."""
    given = draw(sequences())
    losses, alpha = torch.ops.aten._ctc_loss(**given)
    grad = sample("signed", losses.shape, 1)
    forward = {"neg_log_likelihood": losses, "log_alpha": alpha}
    possible = bool(losses.isfinite().all())
    return {"grad": grad, **given, **forward, "blank": 0, "zero_infinity": possible and draw(st.booleans())}


@st.composite
def without_lengths(draw):
    """The same where the lengths are tensors, whose values a formula does not see."""
    given = draw(sequences(full=True))
    lengths = {name: given[name] for name in ("input_lengths", "target_lengths")}
    return {**given, **{name: torch.tensor(numbers) for name, numbers in lengths.items()}}


flags = st.booleans()
PROOFS = [
    proof_of("aten::_ctc_loss", forward, sequences(), integers=False, finite=True),
    proof_of("aten::_ctc_loss", forward, without_lengths(), integers=False, finite=True),
    proof_of("aten::_ctc_loss_backward", gradient, saved(), integers=False, finite=True),
    proof_of("aten::_cudnn_ctc_loss", both, sequences(zero_infinity=flags), values=False, integers=False),
    proof_of("aten::miopen_ctc_loss", both, sequences(zero_infinity=flags), values=False, integers=False),
]
