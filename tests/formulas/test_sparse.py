import numpy as np
import torch
from contraction_proof import array, biased, check, close, cost_of, each, filled, numeric, products, proves
from hypothesis import given
from hypothesis import strategies as st
from oracle import maximum, minimum, total

from flopsight.cost import TensorSpec

sizes = st.integers(1, 4)
factors = st.sampled_from([0, 1, 2])


class Sparse:
    """A matrix of which some elements are stored, each row (and column, if wanted) holding one at least."""

    def __init__(self, rows, columns, extra, seed=0):
        picked = {(i, i % columns) for i in range(rows)} | {(j % rows, j) for j in range(columns)}
        others = [at for at in np.ndindex(rows, columns) if at not in picked]
        picked |= set(others[: extra % (len(others) + 1)])
        values = array((rows, columns), seed)
        self.items = {at: values[at] for at in sorted(picked)}
        self.shape = (rows, columns)

    @property
    def spec(self):
        return TensorSpec(self.shape, stored=len(self.items))

    def row(self, i):
        return [(at[1], x) for at, x in self.items.items() if at[0] == i]

    def column(self, j):
        return [(at[0], x) for at, x in self.items.items() if at[1] == j]

    def dense(self):
        whole = np.zeros(self.shape)
        for at, x in self.items.items():
            whole[at] = x.value
        return torch.from_numpy(whole)


sparse_matrices = st.builds(Sparse, sizes, sizes, st.integers(0, 20))


def times(sparse, dense):
    """Only what is stored is multiplied."""
    rows = [sparse.row(i) for i in range(sparse.shape[0])]
    return filled(
        (sparse.shape[0], dense.shape[1]),
        lambda i, j: products([x for _, x in rows[i]], [dense[k, j] for k, _ in rows[i]]),
    )


def blended(result, self, beta, alpha):
    result = result if alpha == 1 else each(lambda x: x * alpha, result)
    if beta == 0:
        return result
    return each(biased, result, self if beta == 1 else each(lambda x: x * beta, self))


NAMES = {
    "aten::mm": ("self", "mat2"), "aten::_sparse_mm": ("sparse", "dense"), "aten::hspmm": ("mat1", "mat2"),
    "aten::smm": ("self", "mat2"),
}  # fmt: skip


@proves(*NAMES)
@given(sparse=sparse_matrices, n=sizes)
def test_sparse_times_dense(operator, sparse, n):
    dense = array((sparse.shape[1], n), 1)
    arguments = dict(zip(NAMES[operator], (sparse.spec, dense), strict=True))
    close(check(operator, arguments, lambda: times(sparse, dense)), sparse.dense() @ numeric(dense))


@proves("aten::mv", "aten::addmv")
@given(sparse=sparse_matrices)
def test_sparse_times_vector(operator, sparse):
    x, self = array((sparse.shape[1], 1), 1), array((sparse.shape[0],), 2)
    mine = {"self": sparse.spec} if operator == "aten::mv" else {"self": self, "mat": sparse.spec}

    def reference():
        result = times(sparse, x)[:, 0]
        return result if operator == "aten::mv" else each(biased, result, self)

    check(operator, {**mine, "vec": x[:, 0]}, reference)


@proves("aten::mm")
@given(sparse=sparse_matrices, m=sizes)
def test_dense_times_sparse(operator, sparse, m):
    dense = array((m, sparse.shape[0]), 1)
    columns = [sparse.column(j) for j in range(sparse.shape[1])]

    def reference():
        return filled(
            (m, sparse.shape[1]),
            lambda i, j: products([dense[i, k] for k, _ in columns[j]], [x for _, x in columns[j]]),
        )

    close(check(operator, {"self": dense, "mat2": sparse.spec}, reference), numeric(dense) @ sparse.dense())


@proves("aten::_sparse_sparse_matmul", "aten::mm")
@given(m=sizes, k=sizes, n=sizes, each_column=sizes)
def test_sparse_times_sparse(operator, m, k, n, each_column):
    """Evenly spread: every column of the left has as many, and the rows of the right are full."""
    count = min(m, each_column)
    left, right = Sparse(m, k, 0), array((k, n), 1)
    left.items = {((j * count + t) % m, j): array((1,), t)[0] for j in range(k) for t in range(count)}
    other = "mat2" if operator == "aten::mm" else "other"
    check(operator, {"self": left.spec, other: TensorSpec((k, n), stored=k * n)}, lambda: times(left, right))


@proves("aten::_sparse_addmm", "aten::addmm")
@given(sparse=sparse_matrices, n=sizes, beta=factors, alpha=factors)
def test_sparse_addmm(operator, sparse, n, beta, alpha):
    dense, self = array((sparse.shape[1], n), 1), array((sparse.shape[0], n), 2)
    arguments = {"self": self, "mat1": sparse.spec, "mat2": dense, "beta": beta, "alpha": alpha}
    mine = check(operator, arguments, lambda: blended(times(sparse, dense), self, beta, alpha))
    close(mine, beta * numeric(self) + alpha * (sparse.dense() @ numeric(dense)))


@proves("aten::sparse_sampled_addmm")
@given(sparse=sparse_matrices, k=st.integers(0, 3), beta=factors, alpha=factors)
def test_sampled(operator, sparse, k, beta, alpha):
    a, b = array((sparse.shape[0], k), 1), array((k, sparse.shape[1]), 2)

    def reference():
        values = filled(
            (len(sparse.items),), lambda s: products(a[list(sparse.items)[s][0]], b[:, list(sparse.items)[s][1]])
        )
        return blended(values, filled(values.shape, lambda s: list(sparse.items.values())[s]), beta, alpha)

    arguments = {"self": sparse.spec, "mat1": a, "mat2": b, "beta": beta, "alpha": alpha}
    check(operator, arguments, reference)


@proves("aten::sspaddmm")
@given(sparse=sparse_matrices, other=st.integers(0, 20), n=sizes, beta=factors, alpha=factors)
def test_all_sparse(operator, sparse, other, n, beta, alpha):
    dense, self = array((sparse.shape[1], n), 1), Sparse(sparse.shape[0], n, other, 2)

    def reference():
        result = blended(times(sparse, dense), None, 0, alpha)
        for at, x in self.items.items() if beta else ():
            result[at] = result[at] + (x if beta == 1 else x * beta)
        return result

    arguments = {"self": self.spec, "mat1": sparse.spec, "mat2": dense, "beta": beta, "alpha": alpha}
    check(operator, arguments, reference)


@proves("aten::_sparse_mm_reduce_impl")
@given(sparse=sparse_matrices, n=sizes, reduce=st.sampled_from(["sum", "mean", "amax", "amin"]))
def test_reduce(operator, sparse, n, reduce):
    dense = array((sparse.shape[1], n), 1)

    def extreme(i, j):
        found, *others = [x * dense[k, j] for k, x in sparse.row(i)]
        for x in others:
            found = maximum(found, x) if reduce == "amax" else minimum(found, x)
        return found

    def reference():
        if reduce in ("amax", "amin"):
            return filled((sparse.shape[0], n), extreme)
        result = times(sparse, dense)
        return result if reduce == "sum" else each(lambda x: x / 3, result)

    check(operator, {"self": sparse.spec, "other": dense, "reduce": reduce}, reference)


@proves("aten::_coalesce")
@given(counts=st.lists(sizes, min_size=1, max_size=4))
def test_coalesce(operator, counts):
    """Some elements at each of a few places."""
    places = [array((n,), n) for n in counts]

    def reference():
        _ = [total(place) for place in places]
        return TensorSpec((9,), stored=len(places))

    check(operator, {"self": TensorSpec((9,), stored=sum(counts))}, reference)


def semi_structured(m, quads, seed=0):
    """Two of each four elements are kept: their places and values, by row."""
    kept = [[k for q in range(quads) for k in (4 * q + i % 4, 4 * q + (i + 1 + q) % 4)] for i in range(m)]
    kept = [[k if row.index(k) == at else 4 * (k // 4) + 3 for at, k in enumerate(row)] for row in kept]
    return kept, array((m, 2 * quads), seed)


def half(compressed, dense):
    kept, values = compressed
    return filled((len(kept), dense.shape[1]), lambda i, j: products(values[i], [dense[k, j] for k in kept[i]]))


@proves("aten::_sparse_semi_structured_linear")
@given(m=sizes, quads=st.integers(1, 2), n=sizes, with_bias=st.booleans(), activation=st.sampled_from([None, "relu"]))
def test_semi_structured_linear(operator, m, quads, n, with_bias, activation):
    x, weight, bias = array((m, 4 * quads)), semi_structured(n, quads), array((n,), 2) if with_bias else None

    def reference():
        result = half(weight, x.T).T
        result = result if bias is None else each(biased, result, bias)
        return each(lambda v: maximum(v, 0), result) if activation else result

    arguments = {"input": x, "weight": weight[1], "bias": bias, "activation": activation}
    check(operator, arguments, reference)


@proves("aten::_sparse_semi_structured_mm", "aten::_sparse_semi_structured_addmm", "aten::_cslt_sparse_mm")
@given(m=sizes, quads=st.integers(1, 2), n=sizes, beta=factors, alpha=factors)
def test_semi_structured_mm(operator, m, quads, n, beta, alpha):
    left, right, bias = semi_structured(m, quads), array((4 * quads, n), 1), array((m, 1), 2)
    plain = operator == "aten::_sparse_semi_structured_mm"
    mine = {"mat1": left[1], "mat2": right}
    if operator == "aten::_sparse_semi_structured_addmm":
        mine |= {"input": bias, "alpha": alpha, "beta": beta}
    elif not plain:
        beta = min(beta, 1)
        mine = {"compressed_A": TensorSpec((9,)), "dense_B": right, "bias": bias if beta else None}
        mine |= {"alpha": TensorSpec((1,)) if alpha != 1 else None}
    check(operator, mine, lambda: blended(half(left, right), bias, *((0, 1) if plain else (beta, alpha))))


def test_empty_rows_are_taken_to_hold_something_while_there_is_enough():
    spec = TensorSpec((5, 4), stored=2)
    cost = cost_of("aten::mm", {"self": spec, "mat2": TensorSpec((4, 3))}, TensorSpec((5, 3)))
    assert (cost.macs, cost.results) == (2 * 3, 2 * 3)
