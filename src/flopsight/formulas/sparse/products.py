"""Products with sparse matrices, by the elements that are stored.

S stored elements of the sparse matrix · M rows of the left matrix · K shared · N columns of the right matrix

Where the elements lie is in values that a formula does not see: each row (or column) of a sparse matrix is taken to
hold an element while there are enough of them, and two sparse matrices to meet evenly.
"""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec, product
from flopsight.formulas.parts import ACTIVATIONS, added, gathered, products, scaled
from flopsight.formulas.registry import Case, formula, zero

zero("searches for an algorithm, once for each shape", "aten::_cslt_sparse_mm_search", family="sparse")


def matrix_product(left: TensorSpec, right: TensorSpec) -> Cost:
    """left @ right; where one is sparse, S of its elements times the other's columns (rows), else M*N of length K."""
    K, N = left.shape[-1], right.shape[-1] if right.ndim > 1 else 1
    outputs = product(left.shape[:-1]) * N
    if left.stored is None and right.stored is None:
        return products(left, outputs=outputs, length=K)
    if left.stored is not None and right.stored is not None:
        macs = left.stored * right.stored // K if K else 0
    else:
        macs = left.shape[-2] * (right.stored or 0) if left.stored is None else left.stored * N
    return gathered(left, macs=macs, results=min(outputs, macs))


def _sparse(*shape: int, stored: int) -> TensorSpec:
    return TensorSpec(shape, stored=stored)


_LEFT = _sparse(4, 5, stored=7)


@formula(
    "aten::_sparse_mm",
    case=Case({"sparse": _LEFT, "dense": (5, 6)}, (4, 6), Cost(macs=7 * 6, results=4 * 6)),
)
def sparse_mm(sparse: TensorSpec, dense: TensorSpec) -> Cost:
    """S*N products, summed by row."""
    return matrix_product(sparse, dense)


@formula(
    "aten::_sparse_sparse_matmul",
    case=Case(
        {"self": _sparse(4, 5, stored=10), "other": _sparse(5, 6, stored=15)},
        _sparse(4, 6, stored=20),
        Cost(macs=10 * 15 // 5, results=4 * 6),
    ),
)
def sparse_sparse_matmul(self: TensorSpec, other: TensorSpec) -> Cost:
    """S*S'/K products: elements of the left column k with those of the right row k, evenly spread."""
    return matrix_product(self, other)


@formula(
    "aten::hspmm", "aten::smm", case=Case({"mat1": _LEFT, "mat2": (5, 6)}, (4, 6), Cost(macs=7 * 6, results=4 * 6))
)
def hspmm(mat2: TensorSpec, mat1: TensorSpec | None = None, self: TensorSpec | None = None) -> Cost:
    """S*N products, summed by row."""
    sparse = self if mat1 is None else mat1
    return ZERO if sparse is None else matrix_product(sparse, mat2)


@formula(
    "aten::_sparse_addmm",
    case=Case({"self": (4, 6), "mat1": _LEFT, "mat2": (5, 6)}, (4, 6), Cost(macs=7 * 6, results=4 * 6, biases=4 * 6)),
)
def sparse_addmm(
    self: TensorSpec, mat1: TensorSpec, mat2: TensorSpec, out: TensorSpec, beta: complex = 1, alpha: complex = 1
) -> Cost:
    """beta*self + alpha*(mat1 @ mat2): S*N products, summed by row, and a bias unless beta is 0."""
    return matrix_product(mat1, mat2) + blend(self, out, beta, alpha)


def blend(self: TensorSpec, out: TensorSpec, beta: complex, alpha: complex) -> Cost:
    """What beta*self + alpha*product takes beside the product; factors of 1 take nothing, a beta of 0 drops self."""
    factors = scaled(out, alpha, out.numel)
    if beta == 0:
        return factors
    return factors + scaled(out, beta, self.numel) + Cost(biases=(2 if out.is_complex else 1) * out.numel)


@formula(
    "aten::sparse_sampled_addmm",
    case=Case(
        {"self": _sparse(4, 6, stored=8), "mat1": (4, 5), "mat2": (5, 6)},
        _sparse(4, 6, stored=8),
        Cost(macs=8 * 5, results=8, biases=8),
    ),
)
def sampled_addmm(self: TensorSpec, mat1: TensorSpec, beta: complex = 1, alpha: complex = 1) -> Cost:
    """beta*self + alpha*(mat1 @ mat2) at the S stored elements of self: a dot product of length K each, and a bias."""
    stored = TensorSpec((self.numel if self.stored is None else self.stored,), self.dtype)
    return products(mat1, outputs=stored.numel, length=mat1.shape[-1]) + blend(stored, stored, beta, alpha)


@formula(
    "aten::sspaddmm",
    case=Case(
        {"self": _sparse(4, 6, stored=8), "mat1": _LEFT, "mat2": (5, 6)},
        _sparse(4, 6, stored=24),
        Cost(macs=7 * 6, results=4 * 6, add=8),
    ),
)
def sspaddmm(self: TensorSpec, mat1: TensorSpec, mat2: TensorSpec, beta: complex = 1, alpha: complex = 1) -> Cost:
    """beta*self + alpha*(mat1 @ mat2), all but mat2 sparse: S*N products; the stored elements of self are added."""
    own = matrix_product(mat1, mat2)
    stored = self.numel if self.stored is None else self.stored
    cost = own + scaled(self, alpha, own.results)
    return cost if beta == 0 else cost + scaled(self, beta, stored) + added(self, stored)


@formula(
    "aten::_sparse_mm_reduce_impl",
    case=Case({"self": _LEFT, "other": (5, 6), "reduce": "sum"}, ((4, 6), (4, 6)), Cost(macs=7 * 6, results=4 * 6)),
)
def sparse_mm_reduce(self: TensorSpec, other: TensorSpec, reduce: str) -> Cost:
    """S*N products; a row's are summed, averaged (a division more), or its largest or smallest found by comparing."""
    own = matrix_product(self, other)
    if reduce in ("amax", "amin"):
        return Cost(multiply=own.macs, compare=own.macs - own.results)
    return own + Cost(divide=own.results) if reduce == "mean" else own


@formula(
    "aten::_coalesce",
    case=Case({"self": _sparse(4, 6, stored=8)}, _sparse(4, 6, stored=6), Cost(add=8 - 6)),
)
def coalesce(self: TensorSpec, out: TensorSpec) -> Cost:
    """Elements that lie at the same place are added."""
    if self.stored is None or out.stored is None:
        return ZERO
    return added(self, self.stored - out.stored)


@formula(
    "aten::_sparse_semi_structured_linear",
    case=Case(
        {"input": (4, 8), "weight": (6, 4), "bias": (6,), "activation": "relu"},
        (4, 6),
        Cost(macs=4 * 6 * 4, results=24, biases=24, compare=24),
    ),
)
def semi_structured_linear(
    weight: TensorSpec, out: TensorSpec, bias: TensorSpec | None = None, activation: str | None = None
) -> Cost:
    """A dot product of length K/2 for each result, as two of four weights are kept; bias and activation."""
    own = products(out, outputs=out.numel, length=weight.shape[-1], bias=bias is not None)
    return own + ACTIVATIONS[activation] * out.numel


@formula(
    "aten::_sparse_semi_structured_mm",
    case=Case({"mat1": (6, 4), "mat2": (8, 3)}, (6, 3), Cost(macs=6 * 3 * 4, results=6 * 3)),
)
def semi_structured_mm(mat1: TensorSpec, out: TensorSpec) -> Cost:
    """A dot product of length K/2 for each result, as two of four elements of mat1 are kept."""
    return products(out, outputs=out.numel, length=mat1.shape[-1])


@formula(
    "aten::_sparse_semi_structured_addmm",
    case=Case({"input": (6,), "mat1": (6, 4), "mat2": (8, 3)}, (6, 3), Cost(macs=6 * 3 * 4, results=18, biases=18)),
)
def semi_structured_addmm(
    input: TensorSpec, mat1: TensorSpec, out: TensorSpec, alpha: complex = 1, beta: complex = 1
) -> Cost:
    """beta*input + alpha*(mat1 @ mat2): a dot product of length K/2 for each result, and a bias unless beta is 0."""
    return products(out, outputs=out.numel, length=mat1.shape[-1]) + blend(input, out, beta, alpha)


@formula(
    "aten::_cslt_sparse_mm",
    case=Case(
        {"compressed_A": (60,), "dense_B": (8, 3), "bias": (6,), "alpha": None},
        (6, 3),
        Cost(macs=6 * 3 * 4, results=18, biases=18),
    ),
)
def cslt_sparse_mm(
    dense_B: TensorSpec, out: TensorSpec, bias: TensorSpec | None = None, alpha: TensorSpec | None = None
) -> Cost:
    """A dot product of length K/2 for each result, times alpha where given, and a bias."""
    own = products(out, outputs=out.numel, length=dense_B.shape[0] // 2, bias=bias is not None)
    return own if alpha is None else own + Cost(multiply=out.numel)
