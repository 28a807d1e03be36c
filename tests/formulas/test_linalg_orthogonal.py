import numpy as np
import torch
from contraction_proof import Scalar, array, check, close, cost_of, numeric, proves
from formulas.test_linalg import batched, batches, lower, sizes, upper
from hypothesis import given
from hypothesis import strategies as st
from oracle import select, sqrt, total

from flopsight.cost import TensorSpec


def reflect(rows, v, tau):
    """1 - tau v v^T of each column; v_0 is 1 and not stored."""
    for j in range(rows.shape[1]):
        whole = rows[0, j]
        for x, y in zip(v, rows[1:, j], strict=True):
            whole = whole + x * y
        whole = whole * tau
        rows[0, j] = rows[0, j] - whole
        for i, x in enumerate(v):
            rows[i + 1, j] = rows[i + 1, j] - x * whole


def triangularize(a):
    """The triangle with the reflections below it, and their factors."""
    a = a.copy()
    m, n = a.shape
    taus = [Scalar(0.0)] * min(m, n)
    for k in range(min(m, n)):
        if k == m - 1:
            break
        first, tail = a[k, k], a[k + 1 :, k]
        norm = sqrt(first * first + total([x * x for x in tail]))
        beta = select(first < 0, norm, -norm)
        taus[k] = (beta - first) / beta
        scale = 1.0 / (first - beta)
        a[k + 1 :, k] = [x * scale for x in tail]
        a[k, k] = beta
        reflect(a[k:, k + 1 :], list(a[k + 1 :, k]), taus[k])
    return a, taus


def accumulate(a, taus, columns):
    """The first columns of the product of the reflections."""
    m = len(a)
    q = np.empty((m, columns), dtype=object)
    for i, j in np.ndindex(m, columns):
        q[i, j] = Scalar(float(i == j))
    for k in range(len(taus))[::-1]:
        v = list(a[k + 1 :, k])
        reflect(q[k:, k + 1 :], v, taus[k])
        scale = -taus[k]
        q[k + 1 :, k] = [x * scale for x in v]
        q[k, k] = 1.0 - taus[k]
    return q


@proves("aten::geqrf")
@given(batch=batches, m=sizes, n=sizes)
def test_geqrf(operator, batch, m, n):
    a = array((batch, m, n))
    mine = check(operator, {"self": a}, lambda: (batched(a.shape, lambda x: triangularize(x)[0], a), a))[0]
    close(mine, torch.geqrf(numeric(a))[0])


@proves("aten::linalg_householder_product")
@given(m=sizes, n=sizes, k=sizes)
def test_householder_product(operator, m, n, k):
    n, k = min(m, n), min(m, n, k)
    a, taus = triangularize(array((m, n)))
    tau = np.array(taus, dtype=object)[:k]
    mine = check(operator, {"input": a, "tau": tau}, lambda: accumulate(a, tau, n))
    close(mine, torch.linalg.householder_product(numeric(a), numeric(tau)))


@proves("aten::ormqr")
@given(m=sizes, k=sizes, columns=sizes, left=st.booleans())
def test_ormqr(operator, m, k, columns, left):
    k = min(m, k)
    a, taus = triangularize(array((m, k)))
    c = array((m, columns), 1)

    def reference():
        out = c.copy()
        for i in range(k)[::-1] if left else range(k):
            reflect(out[i:], list(a[i + 1 :, i]), taus[i])
        return out if left else out.T

    given_c = c if left else c.T
    arguments = {"self": a, "input2": np.array(taus, dtype=object), "input3": given_c, "left": left}
    mine = check(operator, arguments, reference)
    close(mine, torch.ormqr(numeric(a), numeric(np.array(taus, dtype=object)), numeric(given_c), left=left))


@proves("aten::linalg_qr")
@given(batch=batches, m=sizes, n=sizes, mode=st.sampled_from(["r", "reduced", "complete"]))
def test_qr(operator, batch, m, n, mode):
    a = array((batch, m, n))

    def of_one(x):
        factors, taus = triangularize(x)
        if mode == "r":
            return np.empty((m, 0), dtype=object)
        return accumulate(factors, taus, m if mode == "complete" else min(m, n))

    width = 0 if mode == "r" else m if mode == "complete" else min(m, n)
    mine = check(operator, {"A": a, "mode": mode}, lambda: batched((batch, m, width), of_one, a))
    if mode != "r":
        close(mine, torch.linalg.qr(numeric(a), mode=mode)[0])


@proves("aten::linalg_lstsq")
@given(batch=batches, m=sizes, n=sizes, r=sizes)
def test_lstsq(operator, batch, m, n, r):
    """A wide system is solved by the reflections of its transpose."""
    a, b = array((batch, m, n)), array((batch, m, r), 1)
    long, short = max(m, n), min(m, n)

    def tall(x, c):
        factors, taus = triangularize(x)
        c = c.copy()
        for k in range(short):
            reflect(c[k:], list(factors[k + 1 :, k]), taus[k])
        return upper(factors[:short], c[:short])

    def wide(x, c):
        factors, taus = triangularize(x.T)
        y = np.empty((long, r), dtype=object)
        y[short:] = Scalar(0.0)
        y[:short] = lower(factors[:short].T, c)
        for k in range(short)[::-1]:
            reflect(y[k:], list(factors[k + 1 :, k]), taus[k])
        return y

    run = lambda: batched((batch, n, r), tall if m >= n else wide, a, b)
    mine = check(operator, {"self": a, "b": b}, run)
    wanted = torch.linalg.lstsq(numeric(a), numeric(b)).solution
    np.testing.assert_allclose(np.array([x.value for x in mine.ravel()]), wanted.numpy().ravel(), rtol=1e-6, atol=1e-9)


def test_leading_orders():
    n, matrix = 6, TensorSpec((6, 6))
    tall = TensorSpec((10, 6))
    assert cost_of("aten::_linalg_eigh", {"A": matrix}, matrix).exact == 9 * n**3
    assert cost_of("aten::_linalg_eigh", {"A": matrix, "compute_v": False}, matrix).exact == 4 * n**3 // 3
    assert cost_of("aten::linalg_eig", {"self": matrix}, matrix).exact == 25 * n**3
    assert cost_of("aten::_linalg_eigvals", {"self": matrix}, matrix).exact == 10 * n**3
    svd = lambda **how: cost_of("aten::_linalg_svd", {"A": tall, **how}, tall).exact
    assert svd() == 14 * 10 * n**2 + 8 * n**3
    assert svd(full_matrices=True) == 4 * 10**2 * n + 8 * 10 * n**2 + 9 * n**3
    assert svd(compute_uv=False) == 4 * 10 * n**2 - 4 * n**3 // 3
    assert cost_of("aten::linalg_matrix_exp", {"self": matrix}, matrix).exact == 5 * 2 * n**3
