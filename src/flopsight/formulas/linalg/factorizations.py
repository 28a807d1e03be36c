"""Factorizations and solutions, by the textbook's algorithm, unblocked.

B matrices in the batch · m rows, n columns (n x n if square) · r right sides · p = min(m, n)

Multiplications and additions here are no contractions: conventions that count multiply-accumulates leave them out. For
complex numbers each step counts as the complex operation it is.
"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec, product
from flopsight.formulas.parts import reduced
from flopsight.formulas.registry import Case, formula


def of_numbers(tensor: TensorSpec, cost: Cost) -> Cost:
    """`cost` in the numbers of `tensor`: complex products are 4 and 2 (multiplied, added), quotients 6, 3 and 2."""
    if not tensor.is_complex:
        return cost
    return Cost(
        multiply=4 * cost.multiply + 6 * cost.divide,
        add=2 * cost.multiply + 2 * cost.add + 3 * cost.divide,
        divide=2 * cost.divide,
        compare=cost.compare,
        special=cost.special,
    )


def batch(tensor: TensorSpec) -> int:
    """How many matrices."""
    return product(tensor.shape[:-2])


def right_sides(matrix: TensorSpec, solution: TensorSpec, *, left: bool = True) -> int:
    """How many vectors are solved for, all batches together; a solution without columns is one."""
    if solution.ndim == matrix.ndim - 1:
        return product(solution.shape[:-1])
    return batch(solution) * solution.shape[-1 if left else -2]


def triangle(n: int) -> int:
    """0 + 1 + ... + (n - 1)."""
    return n * (n - 1) // 2


def substitution(n: int, *, unit: bool = False) -> Cost:
    """x_i = (b_i - sum of t_ij x_j, j < i) / t_ii for one right side; without the division where t_ii is 1."""
    return Cost(multiply=triangle(n), add=triangle(n), divide=0 if unit else n)


def cholesky_of(n: int) -> Cost:
    """l_jj = sqrt(a_jj - sum of l_jk^2), l_ij = (a_ij - sum of l_ik l_jk) / l_jj."""
    cubic = (n - 1) * n * (n + 1) // 6
    return Cost(multiply=cubic, add=cubic, divide=triangle(n), special=n)


def falling(first: int, steps: int) -> int:
    """first + (first - 1) + ..., `steps` terms."""
    return steps * first - triangle(steps)


def falling_products(a: int, b: int, steps: int) -> int:
    """a*b + (a - 1)*(b - 1) + ..., `steps` terms."""
    return steps * a * b - (a + b) * triangle(steps) + (steps - 1) * steps * (2 * steps - 1) // 6


def lu_of(m: int, n: int, *, pivot: bool = True) -> Cost:
    """Step k < p: the largest below the diagonal, its quotients, and (m - 1 - k) x (n - 1 - k) elements updated."""
    p = min(m, n)
    updates, quotients = falling_products(m - 1, n - 1, p), falling(m - 1, p)
    return Cost(multiply=updates, add=updates, divide=quotients, compare=falling(m, p) + quotients if pivot else 0)


@formula(
    "aten::cholesky",
    "aten::linalg_cholesky_ex",
    "aten::linalg_cholesky",
    case=Case({}, (2, 3, 3), Cost(multiply=2 * 4, add=2 * 4, divide=2 * 3, special=2 * 3)),
)
def cholesky(out: tuple[TensorSpec, ...] | TensorSpec) -> Cost:
    """(n^3 - n)/6 multiplications and subtractions, n(n - 1)/2 divisions, n square roots: about n^3/3 operations."""
    factor = out if isinstance(out, TensorSpec) else out[0]
    return of_numbers(factor, cholesky_of(factor.shape[-1])) * batch(factor)


@formula(
    "aten::linalg_solve_triangular",
    case=Case({"self": (3, 3), "unitriangular": False}, (3, 2), Cost(multiply=2 * 3, add=2 * 3, divide=2 * 3)),
)
def solve_triangular(self: TensorSpec, unitriangular: bool, out: TensorSpec, left: bool = True) -> Cost:
    """For each right side n(n - 1)/2 multiplications and subtractions, and n divisions unless the diagonal is 1."""
    own = of_numbers(self, substitution(self.shape[-1], unit=unitriangular))
    return own * right_sides(self, out, left=left)


@formula(
    "aten::triangular_solve",
    case=Case({"A": (3, 3), "unitriangular": False}, ((3, 2), (3, 3)), Cost(multiply=2 * 3, add=2 * 3, divide=2 * 3)),
)
def triangular_solve(A: TensorSpec, unitriangular: bool, out: tuple[TensorSpec, ...]) -> Cost:
    """For each right side n(n - 1)/2 multiplications and subtractions, and n divisions unless the diagonal is 1."""
    return of_numbers(A, substitution(A.shape[-1], unit=unitriangular)) * right_sides(A, out[0])


@formula(
    "aten::cholesky_solve",
    "aten::_cholesky_solve_helper",
    case=Case({"self": (3, 2)}, (3, 2), Cost(multiply=2 * 6, add=2 * 6, divide=2 * 6)),
)
def cholesky_solve(out: TensorSpec) -> Cost:
    """Two triangular systems for each right side."""
    n, r = out.shape[-2:]
    return of_numbers(out, 2 * substitution(n)) * (batch(out) * r)


@formula("aten::cholesky_inverse", case=Case({}, (3, 3), Cost(multiply=3 * 6, add=3 * 6, divide=3 * 6)))
def cholesky_inverse(out: TensorSpec) -> Cost:
    """Two triangular systems for each of the n columns of the identity."""
    return cholesky_solve(out)


_LU3 = Cost(multiply=4 + 1, add=4 + 1, divide=2 + 1, compare=3 + 2 + 1 + 2 + 1)


@formula("aten::linalg_lu_factor_ex", "aten::linalg_lu", case=Case({"A": (3, 3), "pivot": True}, (3, 3), _LU3))
def lu_factor(A: TensorSpec, pivot: bool = True) -> Cost:
    """p steps: with pivoting the largest of a column found, quotients, an update: about 2n^3/3 operations."""
    return of_numbers(A, lu_of(A.shape[-2], A.shape[-1], pivot=pivot)) * batch(A)


@formula(
    "aten::linalg_lu_solve",
    case=Case({"LU": (3, 3), "left": True}, (3, 2), Cost(multiply=2 * 6, add=2 * 6, divide=2 * 3)),
)
def lu_solve(LU: TensorSpec, out: TensorSpec, left: bool = True) -> Cost:
    """Two triangular systems for each right side, the first with a diagonal of 1."""
    n = LU.shape[-1]
    own = substitution(n, unit=True) + substitution(n)
    return of_numbers(LU, own) * right_sides(LU, out, left=left)


@formula(
    "aten::_linalg_solve_ex",
    case=Case(
        {"A": (3, 3), "left": True},
        ((3, 2), (3, 3), (3,), ()),
        _LU3 + Cost(multiply=2 * 6, add=2 * 6, divide=2 * 3),
    ),
)
def solve(A: TensorSpec, out: tuple[TensorSpec, ...], left: bool = True) -> Cost:
    """An LU factorization and two triangular systems for each right side: about 2n^3/3 + 2n^2 r operations."""
    return lu_factor(A) + lu_solve(A, out[0], left)


@formula(
    "aten::linalg_inv_ex",
    "aten::linalg_inv",
    "aten::inverse",
    case=Case({}, (3, 3), _LU3 + Cost(multiply=3 * 6, add=3 * 6, divide=3 * 3)),
)
def inverse(out: tuple[TensorSpec, ...] | TensorSpec) -> Cost:
    """An LU factorization and two triangular systems for each of the n columns of the identity."""
    result = out if isinstance(out, TensorSpec) else out[0]
    return lu_factor(result) + lu_solve(result, result)


@formula("aten::_linalg_det", case=Case({"A": (3, 3)}, ((), (3, 3), (3,)), _LU3 + Cost(multiply=3)))
def determinant(A: TensorSpec) -> Cost:
    """An LU factorization, and the product of its diagonal and the permutation's sign: n multiplications."""
    return lu_factor(A) + of_numbers(A, Cost(multiply=A.shape[-1])) * batch(A)


@formula(
    "aten::_linalg_slogdet",
    case=Case({"A": (3, 3)}, ((), (), (3, 3), (3,)), _LU3 + Cost(multiply=3, add=2, compare=6, special=3)),
)
def log_determinant(A: TensorSpec) -> Cost:
    """An LU factorization; n signs multiplied with the permutation's, and the n logarithms of sizes summed."""
    n, matrices = A.shape[-1], batch(A)
    own = Cost(multiply=n, compare=2 * n, special=n, add=reduced(n, 1))
    return lu_factor(A) + own * matrices


@formula(
    "aten::linalg_ldl_factor_ex",
    case=Case({"self": (3, 3)}, ((3, 3), (3,), ()), Cost(multiply=2 * 3 + 1, add=3 + 1, divide=3)),
)
def ldl_factor(self: TensorSpec) -> Cost:
    """d_j = a_jj - sum of l_jk (l_jk d_k), l_ij = (a_ij - sum of l_ik (l_jk d_k)) / d_j; pivoting is left out."""
    n = self.shape[-1]
    below = n * (n - 1) * (n - 2) // 6
    own = Cost(multiply=2 * triangle(n) + below, add=triangle(n) + below, divide=triangle(n))
    return of_numbers(self, own) * batch(self)


@formula(
    "aten::linalg_ldl_solve",
    case=Case({"LD": (3, 3)}, (3, 2), Cost(multiply=2 * 6, add=2 * 6, divide=2 * 3)),
)
def ldl_solve(LD: TensorSpec, out: TensorSpec) -> Cost:
    """For each right side two triangular systems with a diagonal of 1, and n divisions."""
    n = LD.shape[-1]
    own = 2 * substitution(n, unit=True) + Cost(divide=n)
    return of_numbers(LD, own) * right_sides(LD, out)


@formula("aten::linalg_cross", case=Case({}, (2, 3), Cost(multiply=2 * 6, add=6)))
def cross(out: TensorSpec) -> Cost:
    """Two products and their difference for each result."""
    return of_numbers(out, Cost(multiply=2, add=1)) * out.numel
