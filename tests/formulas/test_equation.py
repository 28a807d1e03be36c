"""Equations read as costs, and the worked cases and argument names of every formula."""

from __future__ import annotations

import pytest
import torch
import torch._prims
from versions import tried

from flopsight.cost import Cost, TensorSpec
from flopsight.errors import FormulaError
from flopsight.formulas.equation import each, work
from flopsight.formulas.registry import Formula, _asked, load_formulas

COUNTED = [formula for formula in load_formulas() if formula.reason is None]
OF_PYTORCH = [formula for formula in COUNTED if formula.operator.startswith(("aten::", "prims::"))]


@pytest.mark.parametrize(
    ("equation", "cost"),
    [
        ("1 / (1 + exp(-x))", Cost(divide=1, add=1 + 1, special=1)),
        ("d = x - y; d * d", Cost(add=1, multiply=1)),
        ("(x - y) * (x - y)", Cost(add=2, multiply=1)),
        ("x if x > 0 else slope * x", Cost(compare=1, multiply=1)),
        ("x if condition else y", Cost(compare=1)),
        ("0 if low <= x <= high else x", Cost(compare=2)),
        ("min(max(x, -1), 1)", Cost(compare=2)),
        ("(a + b, a % b)", Cost(add=1, divide=1)),
        ("x and not y", Cost(compare=2)),
    ],
)
def test_what_is_written_is_counted(equation: str, cost: Cost) -> None:
    assert work(equation) == cost


def test_complex_operands_count_by_their_parts() -> None:
    assert work("z * w", frozenset("zw")) == Cost(multiply=4, add=2)
    assert work("x * z", frozenset("z")) == Cost(multiply=2)
    assert work("x - z", frozenset("z")) == Cost(add=2)


def test_each_follows_the_result_or_the_tensor_changed_in_place() -> None:
    x, y = TensorSpec((3, 4)), TensorSpec((5,))
    assert each("-x", x) == Cost(add=3 * 4)
    assert each("-x", (x, y), x=(x, y)) == each("-x", None, x=(x, y)) == Cost(add=3 * 4 + 5)


@pytest.mark.parametrize(
    ("equation", "named"),
    [("unheard_of(x)", "unheard_of"), ("x[0]", "x[0]"), ("assert x", "assert x"), ("erf(z)", "erf")],
)
def test_what_cannot_be_counted_is_named(equation: str, named: str) -> None:
    with pytest.raises(FormulaError, match=named.replace("[", r"\[")):
        work(equation, frozenset("z"))


@pytest.mark.parametrize("formula", [formula for formula in COUNTED if formula.case], ids=lambda f: f.operator)
def test_worked_case(formula: Formula) -> None:
    assert formula.case is not None
    assert formula.case.computed(formula.rule) == formula.case.cost


@pytest.mark.parametrize("formula", [tried(formula.operator, formula) for formula in OF_PYTORCH])
def test_every_overload_has_the_arguments_that_its_formula_needs(formula: Formula) -> None:
    namespace, _, name = formula.operator.partition("::")
    packet, _, overload = name.partition(".")
    operator = getattr(getattr(torch.ops, namespace), packet)
    needed = _asked(formula.rule).needed
    own = {found for found in operator.overloads() if f"{formula.operator}.{found}" in load_formulas().formulas}
    for found in [overload] if overload else sorted(set(operator.overloads()) - own):
        arguments = getattr(operator, found)._schema.arguments
        if any("Tensor" in str(argument.type) for argument in arguments):  # others are TorchScript's, for plain numbers
            assert needed <= {argument.name for argument in arguments}, found
