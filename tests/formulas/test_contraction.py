import numpy as np
import pytest
import torch
from contraction_proof import (
    array,
    biased,
    check,
    close,
    cost_of,
    each,
    filled,
    note,
    numeric,
    products,
    proves,
    total,
)
from hypothesis import given
from hypothesis import strategies as st
from oracle import maximum, special
from versions import lacks

from flopsight.cost import TensorSpec

sizes = st.integers(0, 3)
factors = st.sampled_from([0, 1, 2, 0.5])


def matmul(a, b):
    """Of two matrices."""
    return filled((a.shape[0], b.shape[1]), lambda i, j: products(a[i], b[:, j]))


def batched(a, b):
    return filled((*a.shape[:2], b.shape[2]), lambda n, i, j: products(a[n, i], b[n, :, j]))


def blended(result, self, beta, alpha):
    """beta*self + alpha*result; self is ignored where beta is 0."""
    if alpha != 1:
        result = each(lambda x: x * alpha, result)
    if beta == 0:
        return result
    if beta != 1:
        self = each(lambda x: x * beta, self)
    return each(biased, result, self)


@proves("aten::mm", "aten::_int_mm")
@given(m=sizes, k=sizes, n=sizes)
def test_mm(operator, m, k, n):
    a, b = array((m, k)), array((k, n), 1)
    close(check(operator, {"self": a, "mat2": b}, lambda: matmul(a, b)), numeric(a) @ numeric(b))


@proves("aten::bmm")
@given(batch=sizes, m=sizes, k=sizes, n=sizes)
def test_bmm(operator, batch, m, k, n):
    a, b = array((batch, m, k)), array((batch, k, n), 1)
    close(check(operator, {"self": a, "mat2": b}, lambda: batched(a, b)), numeric(a) @ numeric(b))


@proves("aten::addmm")
@given(m=sizes, k=sizes, n=sizes, beta=factors, alpha=factors, row=st.booleans())
def test_addmm(operator, m, k, n, beta, alpha, row):
    self, a, b = array((n,) if row else (m, n)), array((m, k), 1), array((k, n), 2)
    arguments = {"self": self, "mat1": a, "mat2": b, "beta": beta, "alpha": alpha}
    result = check(operator, arguments, lambda: blended(matmul(a, b), self, beta, alpha))
    close(result, torch.addmm(numeric(self), numeric(a), numeric(b), beta=beta, alpha=alpha))


@proves("aten::_addmm_activation")
@given(m=sizes, k=sizes, n=sizes, beta=factors, use_gelu=st.booleans())
def test_addmm_activation(operator, m, k, n, beta, use_gelu):
    def gelu(x):
        from math import erf

        return 0.5 * x * (1 + special(erf, x * 0.5**0.5))

    def reference():
        result = blended(matmul(a, b), self, beta, 1)
        return each(gelu if use_gelu else lambda x: maximum(x, 0), result)

    self, a, b = array((n,)), array((m, k), 1), array((k, n), 2)
    result = check(operator, {"self": self, "mat1": a, "mat2": b, "beta": beta, "use_gelu": use_gelu}, reference)
    theirs = torch._addmm_activation(numeric(self), numeric(a), numeric(b), beta=beta, use_gelu=use_gelu)
    close(result, theirs)


@proves("aten::baddbmm")
@given(batch=sizes, m=sizes, k=sizes, n=sizes, beta=factors, alpha=factors)
def test_baddbmm(operator, batch, m, k, n, beta, alpha):
    self, a, b = array((batch, m, n)), array((batch, m, k), 1), array((batch, k, n), 2)
    arguments = {"self": self, "batch1": a, "batch2": b, "beta": beta, "alpha": alpha}
    result = check(operator, arguments, lambda: blended(batched(a, b), self, beta, alpha))
    close(result, torch.baddbmm(numeric(self), numeric(a), numeric(b), beta=beta, alpha=alpha))


@proves("aten::addbmm")
@given(batch=sizes, m=sizes, k=sizes, n=sizes, beta=factors, alpha=factors)
def test_addbmm(operator, batch, m, k, n, beta, alpha):
    def reference():
        summed = filled((m, n), lambda i, j: products(a[:, i].ravel(), b[:, :, j].ravel()))
        return blended(summed, self, beta, alpha)

    self, a, b = array((m, n)), array((batch, m, k), 1), array((batch, k, n), 2)
    arguments = {"self": self, "batch1": a, "batch2": b, "beta": beta, "alpha": alpha}
    close(check(operator, arguments, reference), numeric(self) * beta + (numeric(a) @ numeric(b)).sum(0) * alpha)


@proves("aten::mv")
@given(m=sizes, k=sizes)
def test_mv(operator, m, k):
    a, x = array((m, k)), array((k,), 1)
    check(operator, {"self": a, "vec": x}, lambda: filled((m,), lambda i: products(a[i], x)))


@proves("aten::addmv")
@given(m=sizes, k=sizes, beta=factors, alpha=factors)
def test_addmv(operator, m, k, beta, alpha):
    self, a, x = array((m,)), array((m, k), 1), array((k,), 2)
    arguments = {"self": self, "mat": a, "vec": x, "beta": beta, "alpha": alpha}
    check(operator, arguments, lambda: blended(filled((m,), lambda i: products(a[i], x)), self, beta, alpha))


@proves("aten::dot", "aten::vdot")
@given(k=sizes)
def test_dot(operator, k):
    a, b = array((k,)), array((k,), 1)
    check(operator, {"self": a}, lambda: filled((), lambda: products(a, b)))


@proves("aten::inner")
@given(k=sizes, left=st.sampled_from([(), (2,), None]), right=st.sampled_from([(), (3,), None]))
def test_inner(operator, k, left, right):
    """None stands for a number, without the shared dimension."""
    a = array(() if left is None else (*left, k))
    b = array(() if right is None else (*right, k), 1)

    def reference():
        if left is None or right is None:
            return each(lambda x, y: x * y, a, b)
        return filled(left + right, lambda *ij: products(a[ij[: len(left)]], b[ij[len(left) :]]))

    close(check(operator, {"self": a, "other": b}, reference), torch.inner(numeric(a), numeric(b)))


@proves("aten::linalg_vecdot")
@given(m=sizes, k=sizes)
def test_vecdot(operator, m, k):
    x, y = array((k, m)), array((k, m), 1)
    check(operator, {"x": x, "y": y, "dim": 0}, lambda: filled((m,), lambda i: products(x[:, i], y[:, i])))


@proves("aten::matmul", "aten::linalg_matmul")
@given(m=sizes, k=sizes, n=sizes, batch=st.sampled_from([((), ()), ((2,), ()), ((2, 1), (3,))]))
def test_matmul(operator, m, k, n, batch):
    a, b = array((*batch[0], m, k)), array((*batch[1], k, n), 1)

    def reference():
        both = np.broadcast_shapes(*batch)
        wide_a, wide_b = np.broadcast_to(a, (*both, m, k)), np.broadcast_to(b, (*both, k, n))
        return filled((*both, m, n), lambda *at: products(wide_a[at[:-1]], wide_b[(*at[:-2], slice(None), at[-1])]))

    close(check(operator, {"self": a, "other": b}, reference), numeric(a) @ numeric(b))


@proves("aten::tensordot")
@given(m=sizes, k=sizes, n=sizes)
def test_tensordot(operator, m, k, n):
    a, b = array((m, k, 2)), array((k, 2, n), 1)

    def reference():
        return filled((m, n), lambda i, j: products(a[i].ravel(), b[:, :, j].ravel()))

    check(operator, {"self": a, "other": b, "dims_self": [1, 2], "dims_other": [0, 1]}, reference)


@proves("aten::ger", "aten::outer", "aten::kron")
@given(m=sizes, n=sizes)
def test_outer(operator, m, n):
    a, b = array((m,)), array((n,), 1)
    out = (m * n,) if operator == "aten::kron" else (m, n)
    check(operator, {"self": a}, lambda: filled((m, n), lambda i, j: a[i] * b[j]).reshape(out))


@proves("aten::addr")
@given(m=sizes, n=sizes, beta=factors, alpha=factors, row=st.booleans())
def test_addr(operator, m, n, beta, alpha, row):
    self, a, b = array((n,) if row else (m, n)), array((m,), 1), array((n,), 2)

    def reference():
        result = filled((m, n), lambda i, j: a[i] * b[j])
        result = result if alpha == 1 else each(lambda x: x * alpha, result)
        if beta == 0:
            return result
        return each(lambda x, y: x + y, result, self if beta == 1 else each(lambda x: x * beta, self))

    result = check(operator, {"self": self, "vec1": a, "beta": beta, "alpha": alpha}, reference)
    close(result, torch.addr(numeric(self), numeric(a), numeric(b), beta=beta, alpha=alpha))


def linear(x, weight, bias):
    result = filled((*x.shape[:-1], weight.shape[0]), lambda *at: products(x[at[:-1]], weight[at[-1]]))
    return result if bias is None else each(biased, result, bias)


@proves("aten::linear", "aten::mkldnn_linear")
@given(batch=st.sampled_from([(), (2,), (2, 3)]), k=sizes, n=sizes, with_bias=st.booleans())
def test_linear(operator, batch, k, n, with_bias):
    x, weight, bias = array((*batch, k)), array((n, k), 1), array((n,), 2) if with_bias else None
    source = "self" if operator == "aten::mkldnn_linear" else "input"
    check(operator, {source: x, "weight": weight, "bias": bias}, lambda: linear(x, weight, bias))


def test_linear_is_the_textbook_one():
    given = {"weight": TensorSpec((6, 5)), "bias": None}
    assert cost_of("aten::linear", given, TensorSpec((6,))).linear == (2 * 5 - 1) * 6
    assert cost_of("aten::linear", {**given, "bias": TensorSpec((6,))}, TensorSpec((6,))).linear == 2 * 5 * 6


def linear_gradients(grad, x, weight, mask):
    """Of input, weight and bias; None where the mask has no True."""
    rows, flat = grad.reshape(-1, grad.shape[-1]), x.reshape(-1, x.shape[-1])
    of_input = matmul(rows, weight).reshape(x.shape) if mask[0] else None
    of_weight = matmul(rows.T, flat) if mask[1] else None
    of_bias = filled(rows.shape[1:], lambda j: total(rows[:, j])) if mask[2] else None
    return of_input, of_weight, of_bias


@proves("aten::linear_backward", "aten::mkldnn_linear_backward")
@given(m=sizes, k=st.integers(1, 3), n=st.integers(1, 3), mask=st.lists(st.booleans(), min_size=3, max_size=3))
def test_linear_backward(operator, m, k, n, mask):
    grad, x, weight = array((m, n)), array((m, k), 1), array((n, k), 2)
    arguments = {"self": x, "grad_output": grad, "weight": weight, "output_mask": mask}
    check(operator, arguments, lambda: linear_gradients(grad, x, weight, mask))


@proves("aten::mkldnn_linear_backward_input")
@given(m=sizes, k=sizes, n=sizes)
def test_linear_backward_input(operator, m, k, n):
    grad, weight = array((m, n)), array((n, k), 1)
    check(operator, {"grad_output": grad, "weight": weight}, lambda: matmul(grad, weight))


@proves("aten::mkldnn_linear_backward_weights")
@given(m=sizes, k=st.integers(1, 3), n=st.integers(1, 3), bias_defined=st.booleans())
def test_linear_backward_weights(operator, m, k, n, bias_defined):
    grad, x, weight = array((m, n)), array((m, k), 1), array((n, k), 2)
    arguments = {"grad_output": grad, "input": x, "weight": weight, "bias_defined": bias_defined}
    check(operator, arguments, lambda: linear_gradients(grad, x, weight, (False, True, bias_defined))[1:])


@proves("aten::matmul_backward")
@given(m=sizes, k=sizes, n=sizes, mask=st.lists(st.booleans(), min_size=2, max_size=2))
def test_matmul_backward(operator, m, k, n, mask):
    """The right matrix is broadcast over a batch of 2, so its gradient sums over that."""
    grad, a, b = array((2, m, n)), array((2, m, k), 1), array((k, n), 2)

    def reference():
        of_a = filled(a.shape, lambda s, i, c: products(grad[s, i], b[c])) if mask[0] else None
        rows, flat = grad.reshape(2 * m, n), a.reshape(2 * m, k)
        return of_a, matmul(flat.T, rows) if mask[1] else None

    check(operator, {"grad": grad, "self": a, "other": b, "mask": mask}, reference)


@proves("aten::_grouped_mm")
@given(cuts=st.tuples(st.integers(1, 3), st.integers(1, 3)), k=st.integers(1, 3), n=st.integers(1, 3))
def test_grouped_mm(operator, cuts, k, n):
    """Rows, columns or the shared dimension in two groups; or a plain batch."""
    first, whole = cuts[0], sum(cuts)
    groups = [slice(0, first), slice(first, whole)]

    a, b = array((whole, k)), array((2, k, n), 1)
    rows = lambda: np.concatenate([matmul(a[cut], b[g]) for g, cut in enumerate(groups)])
    check(operator, {"self": a, "mat2": b}, rows)

    a2, b2 = array((2, n, k)), array((k, whole), 1)
    columns = lambda: np.concatenate([matmul(a2[g], b2[:, cut]) for g, cut in enumerate(groups)], axis=1)
    check(operator, {"self": a2, "mat2": b2}, columns)

    a3, b3 = array((n, whole)), array((whole, k), 1)
    check(operator, {"self": a3, "mat2": b3}, lambda: np.stack([matmul(a3[:, cut], b3[cut]) for cut in groups]))

    a4 = array((2, n, k))
    check(operator, {"self": a4, "mat2": b}, lambda: batched(a4, b))


@pytest.mark.skipif(bool(lacks("aten::_grouped_mm", "mat2")), reason=lacks("aten::_grouped_mm", "mat2"))
def test_of_many_groups_that_share_few_terms_most_are_empty():
    cost = cost_of("aten::_grouped_mm", {"self": TensorSpec((5, 3)), "mat2": TensorSpec((3, 6))}, TensorSpec((8, 5, 6)))
    assert (cost.macs, cost.results) == (5 * 6 * 3, 5 * 6 * 3)


@proves("mkldnn::_linear_pointwise")
@given(m=sizes, k=sizes, n=sizes, with_bias=st.booleans())
def test_linear_pointwise(operator, m, k, n, with_bias):
    x, weight, bias = array((m, k)), array((n, k), 1), array((n,), 2) if with_bias else None

    def reference():
        return each(lambda v: maximum(v, 0), linear(x, weight, bias))

    check(operator, {"X": x, "W": weight, "B": bias, "attr": "relu"}, reference)


@proves("aten::_compute_linear_combination")
@given(m=sizes, k=sizes, n=sizes)
def test_linear_combination(operator, m, k, n):
    x, c = array((k, n, 2)), array((m, k), 1)
    run = lambda: filled((m, n, 2), lambda i, a, b: products(c[i], x[:, a, b]))
    check(operator, {"input": x, "coefficients": c}, run)


@proves("mkldnn::_linear_pointwise.binary")
@given(m=sizes, k=sizes, n=sizes, attr=st.sampled_from(["add", "sum", "sub", "mul"]))
def test_linear_with_another(operator, m, k, n, attr):
    x, weight, other = array((m, k)), array((n, k), 1), array((m, n), 2)
    apply = {"mul": lambda a, b: a * b, "sub": lambda a, b: a - b}.get(attr, lambda a, b: a + b)
    arguments = {"X": x, "other": other, "W": weight, "B": None, "attr": attr}
    check(operator, arguments, lambda: each(apply, linear(x, weight, None), other))


@proves("aten::mm", "aten::addmm", "aten::outer")
@given(m=sizes, k=sizes, n=sizes)
def test_complex(operator, m, k, n):
    """A complex product is 4 real ones and 2 sums; a complex bias is 2."""
    parts = [array(shape, seed) for seed, shape in enumerate([(m, k), (m, k), (k, n), (k, n), (n,), (n,)])]
    a_re, a_im, b_re, b_im, c_re, c_im = parts

    def times(i, j):
        note(macs=4 * k, results=2 if k else 0)
        re = total([a_re[i, s] * b_re[s, j] for s in range(k)])
        for s in range(k):
            re = re - a_im[i, s] * b_im[s, j]
        im = total([x for s in range(k) for x in (a_re[i, s] * b_im[s, j], a_im[i, s] * b_re[s, j])])
        return re, im

    def reference():
        if operator == "aten::outer":
            x, y = array((m, 2)), array((n, 2), 1)
            filled((m, n), lambda i, j: (x[i, 0] * y[j, 0] - x[i, 1] * y[j, 1]) and None)
            filled((m, n), lambda i, j: (x[i, 0] * y[j, 1] + x[i, 1] * y[j, 0]) and None)
        else:
            result = [[times(i, j) for j in range(n)] for i in range(m)]
            if operator == "aten::addmm":
                for row in result:
                    for j, (re, im) in enumerate(row):
                        row[j] = biased(re, c_re[j]), biased(im, c_im[j])
        return Complex((m, n))

    names = {"aten::mm": ("self", "mat2"), "aten::addmm": ("mat1", "mat2"), "aten::outer": ("self", "vec2")}[operator]
    arguments = dict(zip(names, (Complex((m, k)), Complex((k, n))), strict=True))
    check(operator, {"self": Complex((m, n)), **arguments}, reference)


def Complex(shape):
    return TensorSpec(shape, "complex64")


def test_one_addition_too_many_is_seen():
    a, b = array((2, 3)), array((3, 2), 1)
    with pytest.raises(AssertionError):
        check("aten::mm", {"self": a, "mat2": b}, lambda: each(lambda x: x + 1, matmul(a, b)))
