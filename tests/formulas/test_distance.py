import numpy as np
import torch
from contraction_proof import array, check, close, filled, numeric, products, proves, total
from hypothesis import given
from hypothesis import strategies as st
from oracle import maximum, select, special, sqrt, value

sizes = st.integers(1, 3)
norms = st.sampled_from([0.0, 1.0, 2.0, 3.0, float("inf")])


def power(x, p):
    return special(pow, x, p)


def distance(a, b, p):
    if p == 0:
        return total([select(x.value != y.value, type(x)(1.0), 0.0) for x, y in zip(a, b, strict=True)])
    off = [x - y for x, y in zip(a, b, strict=True)]
    if p == 2:
        return sqrt(total([d * d for d in off]))
    off = [abs(d) for d in off]
    if p == 1:
        return total(off)
    if p == float("inf"):
        largest = off[0]
        for d in off[1:]:
            largest = maximum(largest, d)
        return largest
    return power(total([power(d, p) for d in off]), 1 / p)


@proves("aten::_cdist_forward")
@given(B=st.integers(0, 2), P=sizes, R=sizes, D=sizes, p=norms)
def test_cdist(operator, B, P, R, D, p):
    a, b = array((B, P, D)), array((B, R, D), 1)
    run = lambda: filled((B, P, R), lambda n, i, j: distance(a[n, i], b[n, j], p))
    close(check(operator, {"x1": a, "x2": b, "p": p}, run), torch.cdist(numeric(a), numeric(b), p))


@proves("aten::_pdist_forward")
@given(P=st.integers(2, 4), D=sizes, p=norms)
def test_pdist(operator, P, D, p):
    a = array((P, D))
    pairs = [(i, j) for i in range(P) for j in range(i + 1, P)]
    run = lambda: filled((len(pairs),), lambda n: distance(a[pairs[n][0]], a[pairs[n][1]], p))
    close(check(operator, {"self": a, "p": p}, run), torch.pdist(numeric(a), p))


@proves("aten::_euclidean_dist")
@given(P=sizes, R=sizes, D=sizes)
def test_euclidean(operator, P, R, D):
    a, b = array((P, D)), array((R, D), 1)

    def reference():
        left = [[x * -2.0 for x in row] + [total([x * x for x in row]), 1.0] for row in a]
        right = [[*row, 1.0, total([x * x for x in row])] for row in b]
        return filled((P, R), lambda i, j: sqrt(maximum(products(left[i], right[j]), 0)))

    mine = check(operator, {"x1": a, "x2": b}, reference)
    np.testing.assert_allclose([[x.value for x in row] for row in mine], torch.cdist(numeric(a), numeric(b)), rtol=1e-6)


def gradient(g, a, b, dist, p):
    """Of the left row of one pair."""
    if p == 0:
        return [type(g)(0.0)] * len(a)
    off = [x - y for x, y in zip(a, b, strict=True)]
    sign = lambda d: abs(d) and type(g)(float(np.sign(d.value)))
    if p == 1:
        return [g * sign(d) for d in off]
    if p == float("inf"):
        return [select(abs(d) == dist, g * sign(d), 0.0) for d in off]
    if p == 2:
        factor = select(dist.value == 0, 0.0, g / dist)
        return [factor * d for d in off]
    factor = select(dist.value == 0, 0.0, g / power(dist, p - 1))
    return [d * power(abs(d), p - 2) * factor for d in off]


@proves("aten::_cdist_backward")
@given(B=st.integers(0, 2), P=sizes, R=sizes, D=sizes, p=norms)
def test_cdist_backward(operator, B, P, R, D, p):
    a, b, g = array((B, P, D)), array((B, R, D), 1), array((B, P, R), 2)
    forward = filled((B, P, R), lambda n, i, j: distance(a[n, i], b[n, j], p))

    def reference():
        parts = {at: gradient(g[at], a[at[0], at[1]], b[at[0], at[2]], forward[at], p) for at in np.ndindex(B, P, R)}
        join = total if p else lambda items: items[0]
        return filled(a.shape, lambda n, i, d: join([parts[n, i, j][d] for j in range(R)]))

    mine = check(operator, {"x1": a, "x2": b, "p": p, "cdist": forward}, reference)
    leaf = numeric(a).requires_grad_()
    (wanted,) = torch.autograd.grad(torch.cdist(leaf, numeric(b), p), leaf, numeric(g))
    close(mine, wanted)


@proves("aten::_pdist_backward")
@given(P=st.integers(2, 4), D=sizes, p=norms)
def test_pdist_backward(operator, P, D, p):
    a = array((P, D))
    pairs = [(i, j) for i in range(P) for j in range(i + 1, P)]
    g = array((len(pairs),), 1)
    forward = filled((len(pairs),), lambda n: distance(a[pairs[n][0]], a[pairs[n][1]], p))

    def reference():
        out = {}
        for n, (i, j) in enumerate(pairs):
            for d, x in enumerate(gradient(g[n], a[i], a[j], forward[n], p)):
                out[i, d] = x if (i, d) not in out or not p else out[i, d] + x
                out[j, d] = flipped(x) if (j, d) not in out or not p else out[j, d] - x
        return filled(a.shape, lambda i, d: out[i, d])

    mine = check(operator, {"self": a, "p": p, "pdist": forward}, reference)
    leaf = numeric(a).requires_grad_()
    (wanted,) = torch.autograd.grad(torch.pdist(leaf, p), leaf, numeric(g))
    close(mine, wanted)


def flipped(x):
    """The first of a sum: its sign goes into the sum."""
    return type(x)(-value(x))


@proves("aten::_trilinear")
@given(B=st.integers(0, 2), O=sizes, I=sizes, J=sizes)
def test_bilinear(operator, B, O, I, J):
    a, weight, b = array((B, I)), array((O, I, J), 1), array((B, J), 2)

    def reference():
        first = filled((B, O, J), lambda n, o, j: products(a[n], weight[o, :, j]))
        return filled((B, O), lambda n, o: products(first[n, o], b[n]))

    arguments = {"i1": a, "i2": weight, "i3": b, "expand1": [1, 3], "expand2": [0], "expand3": [1, 2]}
    mine = check(operator, {**arguments, "sumdim": [2, 3]}, reference)
    close(mine, torch.nn.functional.bilinear(numeric(a), numeric(b), numeric(weight)))
