"""Householder reflections, and what is built on them; decompositions by iteration, to leading order. Letters: `linalg`.

A reflection of a vector of l + 1 elements, 1 - tau v v^T with v_0 = 1, takes 2l + 1 multiplications and additions.
"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.linalg.factorizations import (
    batch,
    falling,
    falling_products,
    of_numbers,
    right_sides,
    substitution,
)
from flopsight.formulas.registry import Case, formula


def _reflected(m: int, columns: int, steps: int) -> Cost:
    """`steps` reflections of rows k .. m of as many columns each."""
    times = (2 * falling(m - 1, steps) + steps) * columns
    return Cost(multiply=times, add=times)


def triangularized(m: int, n: int) -> Cost:
    """For each column with l > 0 elements below the diagonal: a reflection found, the columns to the right reflected.

    norm = sqrt(a*a + sum of squares), beta = -norm or norm, tau = (beta - a)/beta, v = (l elements) * (1/(a - beta)).
    """
    steps = min(m - 1, n)
    if isinstance(steps, int):
        steps = max(steps, 0)
    length = falling(m - 1, steps)
    right = 2 * falling_products(m - 1, n - 1, steps) + falling(n - 1, steps)
    return Cost(
        multiply=2 * length + steps + right, add=length + 3 * steps + right,
        divide=2 * steps, special=steps, compare=2 * steps,
    )  # fmt: skip


def accumulated(m: int, n: int, steps: int) -> Cost:
    """The first n columns of the product of `steps` reflections, from the last: columns to the right, then its own."""
    right = 2 * falling_products(m - 1, n - 1, steps) + falling(n - 1, steps)
    return Cost(multiply=right + falling(m - 1, steps), add=right + 2 * steps)


_QR_CASE = Cost(
    multiply=(2 * 3 + 1) + (2 * 2 + 1) + 7 * 1, add=(3 + 3) + (2 + 3) + 7 * 1, divide=4, special=2, compare=4
)  # fmt: skip


@formula("aten::geqrf", case=Case({"self": (4, 2)}, ((4, 2), (2,)), _QR_CASE))
def geqrf(self: TensorSpec) -> Cost:
    """min(m - 1, n) reflections found, each applied to the columns to its right: about 2n^2(m - n/3) operations."""
    return of_numbers(self, triangularized(*self.shape[-2:])) * batch(self)


@formula(
    "aten::linalg_householder_product",
    case=Case({"input": (4, 2), "tau": (2,)}, (4, 2), Cost(multiply=7 * 1 + 3 + 2, add=7 * 1 + 2 * 2)),
)
def householder_product(input: TensorSpec, tau: TensorSpec) -> Cost:
    """The first n columns of the product of k reflections: each applied to the columns right of it, then its own."""
    m, n = input.shape[-2:]
    return of_numbers(input, accumulated(m, n, tau.shape[-1])) * batch(input)


@formula(
    "aten::ormqr",
    case=Case({"input2": (2,), "input3": (4, 3), "left": True}, (4, 3), Cost(multiply=3 * 12, add=3 * 12)),
)
def ormqr(input2: TensorSpec, input3: TensorSpec, left: bool = True) -> Cost:
    """k reflections of each column (row, from the right)."""
    m, columns = input3.shape[-2:] if left else (input3.shape[-1], input3.shape[-2])
    return of_numbers(input3, _reflected(m, columns, input2.shape[-1])) * batch(input3)


@formula(
    "aten::linalg_qr",
    case=Case(
        {"A": (4, 2), "mode": "reduced"}, ((4, 2), (2, 2)), _QR_CASE + Cost(multiply=7 * 1 + 3 + 2, add=7 * 1 + 2 * 2)
    ),
)
def qr(A: TensorSpec, mode: str = "reduced") -> Cost:
    """Triangularized by reflections; Q, unless mode is 'r', is the first p (complete: m) columns of their product."""
    m, n = A.shape[-2:]
    own = triangularized(m, n)
    if mode != "r":
        own += accumulated(m, m if mode == "complete" else min(m, n), min(m, n))
    return of_numbers(A, own) * batch(A)


@formula(
    "aten::linalg_lstsq",
    case=Case(
        {"self": (4, 2), "b": (4, 3)},
        ((2, 3), (3,), (), ()),
        _QR_CASE + Cost(multiply=3 * (12 + 1), add=3 * (12 + 1), divide=3 * 2),
    ),
)
def lstsq(self: TensorSpec, b: TensorSpec) -> Cost:
    """By QR of the longer side, whatever the driver: right sides reflected, and a triangular system of size p."""
    m, n = self.shape[-2:]
    long, short = max(m, n), min(m, n)
    each = _reflected(long, 1, short) + substitution(short)
    own = of_numbers(self, triangularized(long, short)) * batch(self)
    return own + of_numbers(self, each) * right_sides(self, b)


def _leading(tensor: TensorSpec, operations: int) -> Cost:
    """Operations of an iteration, to leading order: half multiplications, half additions."""
    return of_numbers(tensor, Cost(multiply=operations // 2, add=operations - operations // 2)) * batch(tensor)


@formula(
    "aten::_linalg_eigh",
    case=Case({"A": (3, 3), "compute_v": True}, ((3,), (3, 3)), Cost(multiply=9 * 27 // 2, add=9 * 27 // 2 + 1)),
)
def eigh(A: TensorSpec, compute_v: bool = True) -> Cost:
    """9n^3 operations with vectors, 4n^3/3 without, by tridiagonalization and QR steps (Golub and Van Loan, 8.3)."""
    cube = A.shape[-1] ** 3
    return _leading(A, 9 * cube if compute_v else 4 * cube // 3)


@formula("aten::linalg_eig", case=Case({"self": (2, 2)}, ((2,), (2, 2)), Cost(multiply=100, add=100)))
def eig(self: TensorSpec) -> Cost:
    """25n^3 operations by Hessenberg form and QR steps, vectors included (Golub and Van Loan, 7.5)."""
    return _leading(self, 25 * self.shape[-1] ** 3)


@formula(
    "aten::_linalg_eigvals",
    "aten::linalg_eigvals",
    case=Case({"self": (2, 2)}, (2,), Cost(multiply=40, add=40)),
)
def eigvals(self: TensorSpec) -> Cost:
    """10n^3 operations by Hessenberg form and QR steps (Golub and Van Loan, 7.5)."""
    return _leading(self, 10 * self.shape[-1] ** 3)


@formula(
    "aten::_linalg_svd",
    "prims::svd",
    case=Case({"A": (4, 2), "full_matrices": False}, ((4, 2), (2,), (2, 2)), Cost(multiply=144, add=144)),
)
def svd(A: TensorSpec, full_matrices: bool = False, compute_uv: bool = True) -> Cost:
    """14mn^2 + 8n^3 operations, m >= n; all of U: 4m^2n + 8mn^2 + 9n^3; only values: 4mn^2 - 4n^3/3.

    To leading order, by Golub and Reinsch's algorithm (Golub and Van Loan, 8.6).
    """
    m, n = max(A.shape[-2:]), min(A.shape[-2:])
    if not compute_uv:
        return _leading(A, 4 * m * n * n - 4 * n**3 // 3)
    if full_matrices:
        return _leading(A, 4 * m * m * n + 8 * m * n * n + 9 * n**3)
    return _leading(A, 14 * m * n * n + 8 * n**3)


@formula(
    "aten::linalg_matrix_exp",
    "aten::matrix_exp",
    case=Case({"self": (2, 2)}, (2, 2), Cost(multiply=40, add=40)),
)
def matrix_exp(self: TensorSpec) -> Cost:
    """5 matrix products of 2n^3 operations: a Taylor polynomial of degree 18; squarings depend on values."""
    return _leading(self, 5 * 2 * self.shape[-1] ** 3)
