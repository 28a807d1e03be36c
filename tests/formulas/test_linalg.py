import numpy as np
import torch
from contraction_proof import array, check, close, cost_of, filled, numeric, proves
from hypothesis import given
from hypothesis import strategies as st
from oracle import log, maximum, select, sqrt, total

from flopsight.cost import TensorSpec

sizes = st.integers(1, 4)
batches = st.integers(0, 2)


def batched(shape, function, *arrays):
    """`function` of each matrix of a batch."""
    out = np.empty(shape, dtype=object)
    for n in range(shape[0]):
        out[n] = function(*(x[n] for x in arrays))
    return out


def dominant(batch, n, seed=0):
    """Symmetric matrices with a large diagonal: positive definite, and no pivot ever moves."""
    x = array((batch, n, n), seed)
    return filled(
        x.shape, lambda b, i, j: type(x[b, i, j])(x[b, min(i, j), max(i, j)].value / 4 + (3 * n if i == j else 0))
    )


def less(first, terms):
    for term in terms:
        first = first - term
    return first


def cholesky(a):
    n = len(a)
    l = np.full((n, n), 0.0, dtype=object)
    for j in range(n):
        l[j, j] = sqrt(less(a[j, j], [x * x for x in l[j, :j]]))
        for i in range(j + 1, n):
            l[i, j] = less(a[i, j], [x * y for x, y in zip(l[i, :j], l[j, :j], strict=True)]) / l[j, j]
    return l


@proves("aten::cholesky", "aten::linalg_cholesky_ex", "aten::linalg_cholesky")
@given(batch=batches, n=sizes)
def test_cholesky(operator, batch, n):
    a = dominant(batch, n)
    mine = check(operator, {}, lambda: batched(a.shape, cholesky, a))
    close(mine, torch.linalg.cholesky(numeric(a)))


def lower(l, b, unit=False):
    """Forward substitution for each column."""
    x = np.empty(b.shape, dtype=object)
    for r in range(b.shape[1]):
        for i in range(len(b)):
            x[i, r] = less(b[i, r], [l[i, j] * x[j, r] for j in range(i)])
            x[i, r] = x[i, r] if unit else x[i, r] / l[i, i]
    return x


def upper(u, b, unit=False):
    return lower(u[::-1, ::-1], b[::-1], unit)[::-1]


@proves("aten::linalg_solve_triangular", "aten::triangular_solve")
@given(batch=batches, n=sizes, r=sizes, unit=st.booleans(), left=st.booleans())
def test_triangular(operator, batch, n, r, unit, left):
    a, b = dominant(batch, n), array((batch, n, r), 1)
    run = lambda: batched(b.shape, lambda l, c: lower(l, c, unit), a, b)
    if operator == "aten::triangular_solve":
        mine = check(operator, {"self": b, "A": a, "unitriangular": unit}, lambda: (run(), a))[0]
    else:
        turned = b if left else b.transpose(0, 2, 1)
        arguments = {"self": a, "B": turned, "left": left, "unitriangular": unit}
        mine = check(operator, arguments, lambda: run() if left else run().transpose(0, 2, 1))
        mine = mine if left else mine.transpose(0, 2, 1)
    close(mine, torch.linalg.solve_triangular(numeric(a), numeric(b), upper=False, unitriangular=unit))


@proves("aten::cholesky_solve", "aten::_cholesky_solve_helper", "aten::cholesky_inverse")
@given(batch=batches, n=sizes, r=sizes)
def test_cholesky_solve(operator, batch, n, r):
    inverse = operator == "aten::cholesky_inverse"
    l = np.tril(dominant(batch, n))
    b = eye(batch, n) if inverse else array((batch, n, r), 1)

    def reference():
        return batched(b.shape, lambda l, c: upper(l.T, lower(l, c)), l, b)

    mine = check(operator, {"self": l if inverse else b}, reference)
    close(mine, torch.cholesky_solve(numeric(b), numeric(l)))


def eye(batch, n):
    zero = array((batch, n, n))
    return filled(zero.shape, lambda b, i, j: type(zero[b, i, j])(float(i == j)))


def lu(a, pivot=True):
    """In place; the matrices here never need to swap, but the search is made."""
    a = a.copy()
    m, n = a.shape
    for k in range(min(m, n)):
        if pivot:
            sizes = [abs(x) for x in a[k:, k]]
            top = sizes[0]
            for x in sizes[1:]:
                top = maximum(top, x)
        for i in range(k + 1, m):
            a[i, k] = a[i, k] / a[k, k]
            for j in range(k + 1, n):
                a[i, j] = a[i, j] - a[i, k] * a[k, j]
    return a


@proves("aten::linalg_lu_factor_ex", "aten::linalg_lu")
@given(batch=batches, m=sizes, n=sizes, pivot=st.booleans())
def test_lu(operator, batch, m, n, pivot):
    a = dominant(batch, max(m, n))[:, :m, :n]
    mine = check(operator, {"A": a, "pivot": pivot}, lambda: batched(a.shape, lambda x: lu(x, pivot), a))
    if m <= n:
        close(mine, torch.linalg.lu_factor(numeric(a))[0])


def lu_solved(a, b):
    return upper(a, lower(a, b, unit=True))


@proves("aten::linalg_lu_solve")
@given(batch=batches, n=sizes, r=sizes, left=st.booleans())
def test_lu_solve(operator, batch, n, r, left):
    a, b = dominant(batch, n), array((batch, n, r), 1)
    run = lambda: batched(b.shape, lu_solved, a, b)
    turned = b if left else b.transpose(0, 2, 1)
    arguments = {"LU": a, "B": turned, "pivots": TensorSpec((batch, n)), "left": left}
    check(operator, arguments, lambda: run() if left else run().transpose(0, 2, 1))


@proves("aten::_linalg_solve_ex")
@given(batch=batches, n=sizes, r=sizes, vector=st.booleans())
def test_solve(operator, batch, n, r, vector):
    a, b = dominant(batch, n), array((batch, n, 1 if vector else r), 1)

    def reference():
        factors = batched(a.shape, lu, a)
        solution = batched(b.shape, lu_solved, factors, b)
        return (solution[..., 0] if vector else solution, factors)

    mine = check(operator, {"A": a, "B": b[..., 0] if vector else b}, reference)[0]
    close(mine[..., None] if vector else mine, torch.linalg.solve(numeric(a), numeric(b)))


@proves("aten::linalg_inv_ex", "aten::linalg_inv", "aten::inverse")
@given(batch=batches, n=sizes)
def test_inverse(operator, batch, n):
    a = dominant(batch, n)
    run = lambda: batched(a.shape, lambda x, b: lu_solved(lu(x), b), a, eye(batch, n))
    close(check(operator, {}, run), torch.linalg.inv(numeric(a)))


@proves("aten::_linalg_det", "aten::_linalg_slogdet")
@given(batch=batches, n=sizes)
def test_determinant(operator, batch, n):
    a = dominant(batch, n)
    logarithm = operator == "aten::_linalg_slogdet"

    def of_one(x):
        factors, sign = lu(x), 1.0
        whole = sign
        for d in np.diag(factors):
            whole = whole * (select(d.value > 0, 1.0, -1.0) if logarithm else d)
        return total([log(abs(d)) for d in np.diag(factors)]) if logarithm else whole

    def reference():
        values = filled((batch,), lambda n: of_one(a[n]))
        return (values, values, a) if logarithm else (values, a)

    mine = check(operator, {"A": a}, reference)[0]
    close(mine, torch.linalg.slogdet(numeric(a))[1] if logarithm else torch.linalg.det(numeric(a)))


def ldl(a):
    n = len(a)
    l, d = a.copy(), []
    for j in range(n):
        v = [l[j, k] * d[k] for k in range(j)]
        d.append(less(a[j, j], [l[j, k] * v[k] for k in range(j)]))
        for i in range(j + 1, n):
            l[i, j] = less(a[i, j], [l[i, k] * v[k] for k in range(j)]) / d[j]
        l[j, j] = d[j]
    return l


@proves("aten::linalg_ldl_factor_ex")
@given(batch=batches, n=sizes)
def test_ldl(operator, batch, n):
    a = dominant(batch, n)
    mine = check(operator, {"self": a}, lambda: batched(a.shape, ldl, a))
    close(np.tril(mine), torch.tril(torch.linalg.ldl_factor(numeric(a))[0]))


@proves("aten::linalg_ldl_solve")
@given(batch=batches, n=sizes, r=sizes)
def test_ldl_solve(operator, batch, n, r):
    a, b = dominant(batch, n), array((batch, n, r), 1)

    def of_one(x, c):
        y = lower(x, c, unit=True)
        y = filled(y.shape, lambda i, j: y[i, j] / x[i, i])
        return upper(x.T, y, unit=True)

    arguments = {"LD": a, "B": b, "pivots": TensorSpec((batch, n))}
    check(operator, arguments, lambda: batched(b.shape, of_one, a, b))


@proves("aten::linalg_cross")
@given(batch=batches)
def test_cross(operator, batch):
    a, b = array((batch, 3)), array((batch, 3), 1)
    at = lambda n, i: a[n, (i + 1) % 3] * b[n, (i + 2) % 3] - a[n, (i + 2) % 3] * b[n, (i + 1) % 3]
    mine = check(operator, {"self": a, "other": b}, lambda: filled(a.shape, at))
    close(mine, torch.linalg.cross(numeric(a), numeric(b)))


def test_complex_numbers_count_their_parts():
    """n = 2 by Cholesky: one product, difference and quotient more than two square roots."""
    cost = cost_of("aten::linalg_cholesky", {}, TensorSpec((2, 2), "complex64"))
    assert (cost.multiply, cost.add, cost.divide, cost.special) == (4 + 6, 2 + 2 + 3, 2, 2)
