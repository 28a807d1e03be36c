from __future__ import annotations

from functools import reduce

import hypothesis.strategies as st
import pytest
from hypothesis import given
from oracle import Scalar, counting
from proof import REGISTRY, agree

from flopsight.cost import TensorSpec
from flopsight.formulas.registry import bind

SIZES = st.tuples(st.integers(0, 3), st.integers(1, 4))


@pytest.mark.parametrize("layout", ["", "_csr", "_csc", "_bsr", "_bsc"])
@given(shape=SIZES, stored=st.none() | st.integers(0, 4))
def test_a_dense_tensor_is_searched_for_what_is_not_zero(
    layout: str, shape: tuple[int, int], stored: int | None
) -> None:
    rule = REGISTRY.formulas[f"aten::_to_sparse{layout}"].rule
    with counting() as counts:
        for _ in range(shape[0] * shape[1] if stored is None else 0):
            Scalar(1.0) != 0  # noqa: B015
    cost = bind(rule, {"self": TensorSpec(shape, stored=stored)}, TensorSpec(shape, stored=1))
    agree(cost, counts, f"{shape}, {stored} stored")


@pytest.mark.parametrize("name", ["sum", "prod"])
@given(rows=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_sums_and_products_of_rows(name: str, rows: list[int]) -> None:
    join = {"sum": lambda a, b: a + b, "prod": lambda a, b: a * b}[name]
    with counting() as counts:
        for row in rows:
            reduce(join, [Scalar(1.0)] * row)
    given_ = {"self": TensorSpec((len(rows), 4), stored=sum(rows))}
    cost = bind(
        REGISTRY.formulas[f"aten::_sparse_csr_{name}"].rule, given_, TensorSpec((len(rows), 1), stored=len(rows))
    )
    agree(cost, counts, f"rows of {rows}")
