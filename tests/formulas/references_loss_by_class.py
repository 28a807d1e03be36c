"""References of losses of scores by class, and of their gradients, sample by sample."""

from __future__ import annotations

import numpy as np
import torch
from formulas.elementwise import proof_of, sample, seeds
from formulas.references_loss import MEAN, NONE, gradient_of, joined, reductions
from hypothesis import strategies as st
from oracle import Scalar, maximum, total


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


@st.composite
def classified(draw, backward=False, deep=False, **options):
    """Scores, the class of each sample, perhaps a weight for each class."""
    samples, classes, seed, reduction = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(seeds), draw(reductions)
    inner = (draw(st.integers(1, 2)), 2) if deep else ()
    labels = sample("int", (samples, *inner), seed) % classes
    weight = draw(st.sampled_from([None, sample("unit", (classes,), seed + 1)]))
    given = {"grad_output": gradient_of((samples, *inner), reduction, seed + 2)} if backward else {}
    given |= {"self": sample("signed", (samples, classes, *inner), seed + 3), "target": labels, "weight": weight}
    return {**given, "reduction": reduction, **{name: draw(option) for name, option in options.items()}}


@st.composite
def multilabelled(draw, backward=False):
    samples, classes, seed, reduction = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(seeds), draw(reductions)
    scores = sample("signed", (samples, classes), seed)
    labels = np.random.default_rng(seed).permuted(np.tile(np.arange(classes), (samples, 1)), axis=1)
    labels[:, draw(st.integers(0, classes)) :] = -1
    given = {"grad_output": gradient_of((samples,), reduction, seed + 1)} if backward else {}
    return {**given, "self": scores, "target": torch.tensor(labels), "reduction": reduction}


orders, margins = st.sampled_from([1, 2]), st.just(1.0)
unsummed = {"ignore_index": st.just(-100)}


@st.composite
def nll_backward(draw, deep=False):
    given = draw(classified(backward=True, deep=deep, **unsummed))
    return {**given, "total_weight": sample("positive", (), 5)}


PROOFS = [
    proof_of("aten::nll_loss_forward", nll, classified(**unsummed)),
    proof_of("aten::nll_loss2d_forward", nll, classified(deep=True, **unsummed)),
    proof_of("aten::nll_loss_backward", nll_gradient, nll_backward()),
    proof_of("aten::nll_loss2d_backward", nll_gradient, nll_backward(deep=True)),
    proof_of("aten::multi_margin_loss", multi_margin, classified(p=orders, margin=margins)),
    proof_of(
        "aten::multi_margin_loss_backward",
        multi_margin_gradient,
        classified(backward=True, p=orders, margin=margins),
    ),
    proof_of("aten::multilabel_margin_loss_forward", multilabel_margin, multilabelled(), values=False),
    proof_of(
        "aten::multilabel_margin_loss_backward", multilabel_margin_gradient, multilabelled(backward=True), values=False
    ),
]
