"""References of losses and their gradients, term by term."""

from __future__ import annotations

import math

from formulas.elementwise import over, proof_of, sample, seeds, shapes
from hypothesis import strategies as st
from oracle import exp, log, maximum, minimum, special, total

NONE, MEAN, SUM = 0, 1, 2
reductions = st.sampled_from([NONE, MEAN, SUM])


def log1p(x):
    return special(math.log1p, x)


def joined(terms, reduction):
    if reduction == NONE:
        return terms
    whole = total(terms.flat)
    return whole / max(terms.size, 1) if reduction == MEAN else whole


def normed(x, reduction, terms):
    """A mean's share of a gradient."""
    return x * (1 / max(terms, 1)) if reduction == MEAN else x


def mse(self, target, reduction):
    def term(x, y):
        d = x - y
        return d * d

    return joined(over(term, self, target), reduction)


def smooth_l1(self, target, reduction, beta):
    def term(x, y):
        d = abs(x - y)
        curved, straight = 0.5 * d * d / beta, d - 0.5 * beta
        return curved if d < beta else straight

    return joined(over(term, self, target), reduction)


def huber(self, target, reduction, delta):
    def term(x, y):
        d = abs(x - y)
        curved, straight = 0.5 * d * d, delta * (d - 0.5 * delta)
        return curved if d <= delta else straight

    return joined(over(term, self, target), reduction)


def weighted(terms, weight):
    return terms if weight is None else over(lambda t, w: t * w, terms, weight)


def cross_entropy(self, target, weight, reduction):
    def term(x, y):
        return (y - 1) * maximum(log1p(-x), -100.0) - y * maximum(log(x), -100.0)

    return joined(weighted(over(term, self, target), weight), reduction)


def cross_entropy_with_logits(self, target, weight, pos_weight, reduction):
    def term(x, y, *above):
        log_sigmoid = minimum(x, 0) - log1p(exp(-abs(x)))
        return (1 - y) * x - ((above[0] * y + 1) * log_sigmoid if above else log_sigmoid)

    above = [] if pos_weight is None else [over(lambda p: p - 1, pos_weight)]
    return joined(weighted(over(term, self, target, *above), weight), reduction)


def soft_margin(self, target, reduction):
    return joined(over(lambda x, y: log1p(exp(-y * x)), self, target), reduction)


def clipped(x, low, high):
    return minimum(maximum(x, low), high)


def mse_gradient(grad_output, self, target, reduction):
    norm = 2 / max(self.size, 1) if reduction == MEAN else 2
    return over(lambda g, x, y: norm * (x - y) * g, grad_output, self, target)


def smooth_l1_gradient(grad_output, self, target, reduction, beta):
    def one(g, x, y):
        return normed(clipped((x - y) / beta, -1.0, 1.0) * g, reduction, self.size)

    return over(one, grad_output, self, target)


def huber_gradient(grad_output, self, target, reduction, delta):
    def one(g, x, y):
        return normed(clipped(x - y, -delta, delta) * g, reduction, self.size)

    return over(one, grad_output, self, target)


def cross_entropy_gradient(grad_output, self, target, weight, reduction):
    def one(g, x, y):
        return normed(g * (x - y) / maximum((1 - x) * x, 1e-12), reduction, self.size)

    return weighted(over(one, grad_output, self, target), weight)


def soft_margin_gradient(grad_output, self, target, reduction):
    def one(g, x, y):
        z = exp(-y * x)
        return normed(-y * z / (1 + z) * g, reduction, self.size)

    return over(one, grad_output, self, target)


def gradient_of(size, reduction, seed):
    return sample("signed", size if reduction == NONE else (), seed)


@st.composite
def pairs(draw, kinds=("signed", "signed"), backward=False, **options):
    """A tensor and its target, of one shape, and with `backward` the gradient of what a reduction leaves."""
    size, seed, reduction = draw(shapes), draw(seeds), draw(reductions)
    given = {"grad_output": gradient_of(size, reduction, seed + 2)} if backward else {}
    given |= {"self": sample(kinds[0], size, seed), "target": sample(kinds[1], size, seed + 1)}
    for name, option in options.items():
        chosen = draw(option)
        given[name] = sample("unit", size, seed + 3) if chosen == "weights" else chosen
    return {**given, "reduction": reduction}


UNIT = ("unit", "unit")
maybe = st.sampled_from([None, "weights"])
ones = st.sampled_from([1.0, 0.5])
PROOFS = [
    proof_of("aten::mse_loss", mse, pairs(), finite=True),
    proof_of("aten::smooth_l1_loss", smooth_l1, pairs(beta=ones), finite=True),
    proof_of("aten::huber_loss", huber, pairs(delta=ones), finite=True),
    proof_of("aten::binary_cross_entropy", cross_entropy, pairs(UNIT, weight=maybe), finite=True),
    proof_of(
        "aten::binary_cross_entropy_with_logits",
        cross_entropy_with_logits,
        pairs(("signed", "unit"), weight=maybe, pos_weight=maybe),
        finite=True,
    ),
    proof_of("aten::soft_margin_loss", soft_margin, pairs(), finite=True),
    proof_of("aten::mse_loss_backward", mse_gradient, pairs(backward=True)),
    proof_of("aten::smooth_l1_loss_backward", smooth_l1_gradient, pairs(backward=True, beta=ones)),
    proof_of("aten::huber_loss_backward", huber_gradient, pairs(backward=True, delta=ones)),
    proof_of("aten::binary_cross_entropy_backward", cross_entropy_gradient, pairs(UNIT, backward=True, weight=maybe)),
    proof_of("aten::soft_margin_loss_backward", soft_margin_gradient, pairs(backward=True)),
]
