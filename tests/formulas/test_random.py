"""What is done with random numbers, against references; drawing them costs nothing."""

from __future__ import annotations

from formulas.elementwise import elementwise
from hypothesis import strategies as st
from oracle import special
from proof import proven, unproven

from flopsight.cost import TensorSpec
from flopsight.formulas.registry import bind, load_formulas

THREE = {"x": "unit", "alpha": "positive", "total": "over one"}


def dropped(x, mask, scale):
    return x * mask * scale


def some(*numbers):
    return special(lambda *values: 0.0, *numbers)


PROOFS = [
    *elementwise(
        "_masked_scale",
        dropped,
        {"self": "signed", "mask": "positive"},
        options={"scale": 2.0},
        same=True,
        values=False,
    ),
    *elementwise(
        "native_dropout_backward",
        dropped,
        {"grad_output": "signed", "mask": "bool"},
        options={"scale": 2.0},
        same=True,
    ),
    *elementwise(
        "native_dropout",
        lambda x, train: (dropped(x, 1, 2.0), x) if train else (x, x),
        {"input": "signed"},
        options={"p": 0.5, "train": st.booleans()},
        results=2,
        values=False,
    ),
    *elementwise(
        "_fused_dropout", lambda x: (dropped(x, 1, 2.0), x), "signed", options={"p": 0.5}, results=2, values=False
    ),
    *elementwise("_standard_gamma_grad", some, {"self": "positive", "output": "positive"}, same=True, values=False),
    *elementwise("_dirichlet_grad", some, THREE, same=True, values=False),
]
test_counts_and_values = proven(PROOFS)


def test_every_formula_has_a_reference() -> None:
    assert unproven(PROOFS, family="random") == set()


def test_drawing_costs_nothing() -> None:
    rule = load_formulas().find("aten::bernoulli_.float").rule
    assert bind(rule, {"self": TensorSpec((3, 4)), "p": 0.5}, TensorSpec((3, 4))).exact == 0
