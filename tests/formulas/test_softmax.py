"""Softmax and sums of exponentials, against their references."""

from __future__ import annotations

from formulas import references_softmax
from proof import proven, unproven

from flopsight.cost import TensorSpec
from flopsight.formulas.registry import bind, load_formulas

test_counts_and_values = proven(references_softmax.PROOFS)


def test_every_formula_has_a_reference() -> None:
    assert unproven(references_softmax.PROOFS, family="softmax") == set()


def test_a_sparse_softmax_counts_the_stored_elements() -> None:
    rule = load_formulas().find("aten::_sparse_softmax").rule
    x = TensorSpec((1000, 1000), stored=7)
    assert bind(rule, {"self": x, "dim": 1}, x).by_kind()["special"] == 7
