"""Matrix products.   B batch · M rows of the left matrix · K shared · N columns of the right matrix · G groups"""

from __future__ import annotations

from typing import TypeAlias

from flopsight.cost import Cost, TensorSpec, product
from flopsight.formulas.parts import (
    GELU,
    RELU,
    added,
    gathered,
    multiplied,
    products,
    scaled,
)
from flopsight.formulas.registry import Case, formula
from flopsight.formulas.sparse.products import blend, matrix_product

Scalar: TypeAlias = complex  # beta and alpha: int, float or complex


@formula(
    "aten::mm",
    "aten::_int_mm",
    case=Case({"self": (4, 5), "mat2": (5, 6)}, (4, 6), Cost(macs=4 * 6 * 5, results=4 * 6)),
)
def mm(self: TensorSpec, mat2: TensorSpec) -> Cost:
    """M*N results, each a dot product of length K; only the stored elements of a sparse matrix count."""
    return matrix_product(self, mat2)


@formula(
    "aten::bmm",
    case=Case({"self": (3, 4, 5), "mat2": (3, 5, 6)}, (3, 4, 6), Cost(macs=3 * 4 * 6 * 5, results=3 * 4 * 6)),
)
def bmm(self: TensorSpec, mat2: TensorSpec) -> Cost:
    """B*M*N results, each a dot product of length K."""
    return matrix_product(self, mat2)


@formula(
    "aten::addmm",
    case=Case(
        {"self": (6,), "mat1": (4, 5), "mat2": (5, 6)}, (4, 6), Cost(macs=4 * 6 * 5, results=4 * 6, biases=4 * 6)
    ),
)
def addmm(
    self: TensorSpec, mat1: TensorSpec, mat2: TensorSpec, out: TensorSpec, beta: Scalar = 1, alpha: Scalar = 1
) -> Cost:
    """beta*self + alpha*(mat1 @ mat2): M*N dot products of length K, and a bias unless beta is 0.

    beta scales the elements of self as they are given, before they are repeated.
    """
    return matrix_product(mat1, mat2) + blend(self, out, beta, alpha)


@formula(
    "aten::_addmm_activation",
    case=Case(
        {"self": (6,), "mat1": (4, 5), "mat2": (5, 6)}, (4, 6), Cost(macs=4 * 6 * 5, results=24, biases=24, compare=24)
    ),
)
def addmm_activation(
    self: TensorSpec,
    mat1: TensorSpec,
    mat2: TensorSpec,
    out: TensorSpec,
    beta: Scalar = 1,
    alpha: Scalar = 1,
    use_gelu: bool = False,
) -> Cost:
    """`addmm`, then relu, or gelu (with erf) if use_gelu, of each result."""
    return addmm(self, mat1, mat2, out, beta, alpha) + (GELU if use_gelu else RELU) * out.numel


@formula(
    "aten::baddbmm",
    case=Case(
        {"self": (3, 4, 6), "batch1": (3, 4, 5), "batch2": (3, 5, 6)},
        (3, 4, 6),
        Cost(macs=3 * 4 * 6 * 5, results=3 * 4 * 6, biases=3 * 4 * 6),
    ),
)
def baddbmm(
    self: TensorSpec, batch1: TensorSpec, batch2: TensorSpec, out: TensorSpec, beta: Scalar = 1, alpha: Scalar = 1
) -> Cost:
    """beta*self + alpha*(batch1 @ batch2): B*M*N dot products of length K, and a bias unless beta is 0."""
    return matrix_product(batch1, batch2) + blend(self, out, beta, alpha)


@formula(
    "aten::addbmm",
    case=Case(
        {"self": (4, 6), "batch1": (3, 4, 5), "batch2": (3, 5, 6)}, (4, 6), Cost(macs=4 * 6 * 15, results=24, biases=24)
    ),
)
def addbmm(self: TensorSpec, batch1: TensorSpec, out: TensorSpec, beta: Scalar = 1, alpha: Scalar = 1) -> Cost:
    """beta*self + alpha*sum(batch1 @ batch2): M*N dot products of length B*K, and a bias unless beta is 0."""
    B, _, K = batch1.shape
    return products(out, outputs=out.numel, length=B * K) + blend(self, out, beta, alpha)


@formula("aten::mv", case=Case({"self": (4, 5), "vec": (5,)}, (4,), Cost(macs=4 * 5, results=4)))
def mv(self: TensorSpec, vec: TensorSpec) -> Cost:
    """M dot products of length K; only the stored elements of a sparse matrix count."""
    return matrix_product(self, vec)


@formula(
    "aten::addmv",
    case=Case({"self": (4,), "mat": (4, 5), "vec": (5,)}, (4,), Cost(macs=4 * 5, results=4, biases=4)),
)
def addmv(
    self: TensorSpec, mat: TensorSpec, vec: TensorSpec, out: TensorSpec, beta: Scalar = 1, alpha: Scalar = 1
) -> Cost:
    """beta*self + alpha*(mat @ vec): M dot products of length K, and a bias unless beta is 0."""
    return matrix_product(mat, vec) + blend(self, out, beta, alpha)


@formula("aten::dot", "aten::vdot", case=Case({"self": (5,)}, (), Cost(macs=5, results=1)))
def dot(self: TensorSpec) -> Cost:
    """One dot product of length K; the conjugation in vdot changes signs inside the products and is free."""
    return products(self, outputs=1, length=self.numel)


@formula("aten::inner", case=Case({"self": (4, 5), "other": (6, 5)}, (4, 6), Cost(macs=4 * 6 * 5, results=4 * 6)))
def inner(self: TensorSpec, other: TensorSpec, out: TensorSpec) -> Cost:
    """M*N dot products of length K along the last dimensions; a plain multiplication where one side is a number."""
    if self.ndim == 0 or other.ndim == 0:
        return multiplied(out, out.numel)
    return products(out, outputs=out.numel, length=self.shape[-1])


@formula("aten::linalg_vecdot", case=Case({"x": (4, 5), "y": (4, 5), "dim": -1}, (4,), Cost(macs=4 * 5, results=4)))
def vecdot(x: TensorSpec, out: TensorSpec, dim: int = -1) -> Cost:
    """One dot product of length K for each result; the conjugation is free."""
    return products(out, outputs=out.numel, length=x.shape[dim])


@formula(
    "aten::matmul", "aten::linalg_matmul", case=Case({"self": (3, 4, 5)}, (3, 4, 6), Cost(macs=72 * 5, results=72))
)
def matmul(self: TensorSpec, out: TensorSpec) -> Cost:
    """One dot product of length K for each result, batches broadcast."""
    return products(out, outputs=out.numel, length=self.shape[-1])


@formula(
    "aten::tensordot",
    case=Case({"self": (4, 5, 3), "dims_self": [1, 2]}, (4, 6), Cost(macs=4 * 6 * 5 * 3, results=4 * 6)),
)
def tensordot(self: TensorSpec, dims_self: list[int], out: TensorSpec) -> Cost:
    """One dot product for each result, as long as the contracted dimensions together."""
    return products(out, outputs=out.numel, length=product(self.shape[dim] for dim in dims_self))


@formula("aten::ger", "aten::outer", "aten::kron", case=Case({}, (4, 6), Cost(multiply=4 * 6)))
def outer(out: TensorSpec) -> Cost:
    """One multiplication for each result: nothing is summed, so it is no contraction."""
    return multiplied(out, out.numel)


@formula("aten::addr", case=Case({"self": (4, 6)}, (4, 6), Cost(multiply=4 * 6, add=4 * 6)))
def addr(self: TensorSpec, out: TensorSpec, beta: Scalar = 1, alpha: Scalar = 1) -> Cost:
    """beta*self + alpha*(vec1 outer vec2): one multiplication and, unless beta is 0, one addition for each result."""
    plain = multiplied(out, out.numel) + scaled(out, alpha, out.numel)
    return plain if beta == 0 else plain + added(out, out.numel) + scaled(out, beta, self.numel)


@formula(
    "aten::matmul_backward",
    case=Case(
        {"grad": (3, 4, 6), "self": (3, 4, 5), "other": (5, 6), "mask": [True, True]},
        ((3, 4, 5), (5, 6)),
        Cost(macs=2 * 3 * 4 * 6 * 5, results=3 * 4 * 5 + 5 * 6),
    ),
)
def matmul_backward(grad: TensorSpec, self: TensorSpec, other: TensorSpec, mask: list[bool]) -> Cost:
    """As many multiply-accumulates as forward for each gradient, summed over the dimensions that were broadcast."""
    macs = grad.numel * self.shape[-1]
    results = sum(side.numel for side, wanted in zip((self, other), mask, strict=True) if wanted)
    return gathered(grad, macs=macs * sum(mask), results=results)


@formula(
    "aten::_grouped_mm",
    case=Case({"self": (8, 5), "mat2": (3, 5, 6), "bias": None}, (8, 6), Cost(macs=8 * 6 * 5, results=8 * 6)),
)
def grouped_mm(self: TensorSpec, mat2: TensorSpec, out: TensorSpec, bias: TensorSpec | None = None) -> Cost:
    """One matrix product a group: rows, columns or the shared dimension are split between G groups.

    Each result is a dot product of length K; where the shared dimension is split (two plain matrices in), M*N results
    for each of G groups share K between them, of which at most K groups are not empty.
    """
    K = self.shape[-1]
    pairs = self.shape[0] * mat2.shape[-1] if self.ndim == mat2.ndim == 2 else out.numel
    products_only = gathered(self, macs=pairs * K, results=min(out.numel, pairs * K))
    return products_only if bias is None else products_only + Cost(biases=out.numel)


@formula(
    "aten::_compute_linear_combination",
    case=Case({"input": (5, 2, 3), "coefficients": (4, 5)}, (4, 2, 3), Cost(macs=24 * 5, results=24)),
)
def linear_combination(coefficients: TensorSpec, out: TensorSpec) -> Cost:
    """Each result is a dot product of a row of coefficients with the slices of the input."""
    return products(out, outputs=out.numel, length=coefficients.shape[-1])
