"""References of losses and their gradients, term by term."""

from __future__ import annotations

import math

import numpy as np
from formulas.proof import Proof, over, seeds, shapes, tensor
from hypothesis import strategies as st
from oracle import Scalar, exp, log, maximum, minimum, special, total

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


def picked(self, target):
    """The number at each target's class, which is the dimension after the samples."""
    scores = self if self.ndim > 1 else self[None]
    scores = np.moveaxis(scores, 1, -1)
    labels = np.asarray(target, dtype=object).reshape(scores.shape[:-1])
    out = np.empty(labels.shape, dtype=object)
    for index in np.ndindex(*labels.shape):
        out[index] = scores[(*index, labels[index].value)]
    return out, labels


def nll(self, target, weight, reduction):
    numbers, labels = picked(self, target)
    weights = [weight[y.value] for y in labels.flat] if weight is not None else [None] * labels.size
    terms = [x if w is None else w * x for x, w in zip(numbers.flat, weights, strict=True)]
    if reduction == NONE:
        out = np.empty(labels.shape, dtype=object)
        out.flat = [-t for t in terms]
        return out, Scalar(0.0)
    whole = Scalar(0.0)
    for term in terms:
        whole = whole - term
    divisor = Scalar(float(labels.size)) if weight is None else total(weights)
    return (whole / divisor if reduction == MEAN else whole), divisor


def nll_gradient(grad_output, self, target, weight, reduction, total_weight):
    labels = picked(self, target)[1]
    out = np.empty(self.shape, dtype=object)
    out.flat = [Scalar(0.0) for _ in range(self.size)]
    moved = np.moveaxis(out if out.ndim > 1 else out[None], 1, -1)
    if reduction == NONE:
        slopes = [-g for g in grad_output.flat]
    else:
        slope = -grad_output.item()
        slopes = [slope / total_weight.item() if reduction == MEAN else slope] * labels.size
    for index, slope in zip(np.ndindex(*labels.shape), slopes, strict=True):
        label = labels[index].value
        moved[(*index, label)] = slope if weight is None else weight[label] * slope
    return out


def row_count(self):
    return self.reshape(1, -1) if self.ndim < 2 else self


def multi_margin(self, target, p, margin, weight, reduction):
    scores, losses = row_count(self), []
    for row, label in zip(scores, np.atleast_1d(target), strict=True):
        terms = []
        for j, x in enumerate(row):
            if j != label.value:
                z = maximum(margin - row[label.value] + x, 0.0)
                z = z * z if p == 2 else z
                terms.append(z if weight is None else weight[label.value] * z)
        losses.append(total(terms) / len(row))
    out = np.empty(len(losses), dtype=object)
    out[:] = losses
    return joined(out.reshape(self.shape[:-1] if self.ndim == 2 else ()), reduction)


def multi_margin_gradient(grad_output, self, target, p, margin, weight, reduction):
    scores = row_count(self)
    samples, classes = scores.shape
    out = np.empty(scores.shape, dtype=object)
    grads = np.broadcast_to(np.asarray(grad_output, dtype=object).reshape(-1), (samples,))
    for n, (row, label) in enumerate(zip(scores, np.atleast_1d(target), strict=True)):
        factor = p / (classes * (samples if reduction == MEAN else 1))
        slopes, at_label = [Scalar(0.0)] * classes, Scalar(0.0)
        for j, x in enumerate(row):
            if j != label.value:
                z = margin - row[label.value] + x
                slope = factor * z if p == 2 else Scalar(factor)
                slope = slope if weight is None else weight[label.value] * slope
                slopes[j] = slope if z > 0 else Scalar(0.0)
                at_label = at_label - slopes[j]
        slopes[label.value] = at_label
        out[n] = [grads[n] * slope for slope in slopes]
    return out.reshape(self.shape)


def labels_and_others(target):
    """Of a row of labels that ends at -1: which classes are labels."""
    labels = []
    for y in target:
        if y.value < 0:
            break
        labels.append(y.value)
    return labels


def multilabel_margin(self, target, reduction):
    scores, losses = row_count(self), []
    for row, labels in zip(scores, row_count(target), strict=True):
        chosen, terms = labels_and_others(labels), []
        for i in range(len(row)):
            for j in range(len(row)):
                z = maximum(1 - row[i] + row[j], 0.0)
                terms.append(z if i in chosen and j not in chosen else Scalar(0.0))
        losses.append(total(terms) / len(row))
    out = np.empty(len(losses), dtype=object)
    out[:] = losses
    return joined(out.reshape(self.shape[:-1] if self.ndim == 2 else ()), reduction), target


def multilabel_margin_gradient(grad_output, self, target, reduction):
    scores = row_count(self)
    samples, classes = scores.shape
    out = np.empty(scores.shape, dtype=object)
    grads = np.broadcast_to(np.asarray(grad_output, dtype=object).reshape(-1), (samples,))
    factor = 1 / (classes * (samples if reduction == MEAN else 1))
    for n, (row, labels) in enumerate(zip(scores, row_count(target), strict=True)):
        chosen, slopes = labels_and_others(labels), [Scalar(0.0) for _ in row]
        for i in range(classes):
            for j in range(classes):
                above = (1 - row[i] + row[j]) > 0
                step = factor if above and i in chosen and j not in chosen else 0.0
                slopes[j], slopes[i] = slopes[j] + step, slopes[i] - step
        out[n] = [grads[n] * slope for slope in slopes]
    return out.reshape(self.shape)


def gradient_of(size, reduction, seed):
    return tensor("signed", size if reduction == NONE else (), seed)


@st.composite
def pairs(draw, kinds=("signed", "signed"), backward=False, **options):
    """A tensor and its target, of one shape, and with `backward` the gradient of what a reduction leaves."""
    size, seed, reduction = draw(shapes), draw(seeds), draw(reductions)
    given = {"grad_output": gradient_of(size, reduction, seed + 2)} if backward else {}
    given |= {"self": tensor(kinds[0], size, seed), "target": tensor(kinds[1], size, seed + 1)}
    for name, option in options.items():
        chosen = draw(option)
        given[name] = tensor("unit", size, seed + 3) if chosen == "weights" else chosen
    return {**given, "reduction": reduction}


@st.composite
def classified(draw, backward=False, deep=False, **options):
    """Scores, the class of each sample, perhaps a weight for each class."""
    samples, classes, seed, reduction = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(seeds), draw(reductions)
    inner = (draw(st.integers(1, 2)), 2) if deep else ()
    labels = tensor("int", (samples, *inner), seed)
    labels = type(labels)(labels.numbers % classes, "int64")
    weight = draw(st.sampled_from([None, tensor("unit", (classes,), seed + 1)]))
    given = {"grad_output": gradient_of((samples, *inner), reduction, seed + 2)} if backward else {}
    given |= {"self": tensor("signed", (samples, classes, *inner), seed + 3), "target": labels, "weight": weight}
    return {**given, "reduction": reduction, **{name: draw(option) for name, option in options.items()}}


@st.composite
def multilabelled(draw, backward=False):
    samples, classes, seed, reduction = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(seeds), draw(reductions)
    scores = tensor("signed", (samples, classes), seed)
    labels = np.random.default_rng(seed).permuted(np.tile(np.arange(classes), (samples, 1)), axis=1)
    labels[:, draw(st.integers(0, classes)) :] = -1
    given = {"grad_output": gradient_of((samples,), reduction, seed + 1)} if backward else {}
    return {**given, "self": scores, "target": type(scores)(labels, "int64"), "reduction": reduction}


UNIT = ("unit", "unit")
maybe = st.sampled_from([None, "weights"])
ones, orders, margins = st.sampled_from([1.0, 0.5]), st.sampled_from([1, 2]), st.just(1.0)
unsummed = {"ignore_index": st.just(-100)}


@st.composite
def nll_backward(draw, deep=False):
    given = draw(classified(backward=True, deep=deep, **unsummed))
    return {**given, "total_weight": tensor("positive", (), 5)}


ELEMENTWISE = [
    Proof("aten::mse_loss", mse, pairs()),
    Proof("aten::smooth_l1_loss", smooth_l1, pairs(beta=ones)),
    Proof("aten::huber_loss", huber, pairs(delta=ones)),
    Proof("aten::binary_cross_entropy", cross_entropy, pairs(UNIT, weight=maybe)),
    Proof(
        "aten::binary_cross_entropy_with_logits",
        cross_entropy_with_logits,
        pairs(("signed", "unit"), weight=maybe, pos_weight=maybe),
    ),
    Proof("aten::soft_margin_loss", soft_margin, pairs()),
    Proof("aten::mse_loss_backward", mse_gradient, pairs(backward=True)),
    Proof("aten::smooth_l1_loss_backward", smooth_l1_gradient, pairs(backward=True, beta=ones)),
    Proof("aten::huber_loss_backward", huber_gradient, pairs(backward=True, delta=ones)),
    Proof("aten::binary_cross_entropy_backward", cross_entropy_gradient, pairs(UNIT, backward=True, weight=maybe)),
    Proof("aten::soft_margin_loss_backward", soft_margin_gradient, pairs(backward=True)),
]
BY_CLASS = [
    Proof("aten::nll_loss_forward", nll, classified(**unsummed)),
    Proof("aten::nll_loss2d_forward", nll, classified(deep=True, **unsummed)),
    Proof("aten::nll_loss_backward", nll_gradient, nll_backward()),
    Proof("aten::nll_loss2d_backward", nll_gradient, nll_backward(deep=True)),
    Proof("aten::multi_margin_loss", multi_margin, classified(p=orders, margin=margins)),
    Proof(
        "aten::multi_margin_loss_backward",
        multi_margin_gradient,
        classified(backward=True, p=orders, margin=margins),
    ),
    Proof("aten::multilabel_margin_loss_forward", multilabel_margin, multilabelled(), values=False),
    Proof(
        "aten::multilabel_margin_loss_backward", multilabel_margin_gradient, multilabelled(backward=True), values=False
    ),
]
PROOFS = [*ELEMENTWISE, *BY_CLASS]
