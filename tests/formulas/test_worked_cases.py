from __future__ import annotations

import pytest

from flopsight.formulas.registry import Formula, load_formulas

OURS = [formula for formula in load_formulas() if formula.source == "flopsight"]


@pytest.mark.parametrize("formula", [f for f in OURS if f.case is not None], ids=lambda formula: formula.operator)
def test_the_worked_case_is_what_the_formula_gives(formula: Formula) -> None:
    assert formula.case is not None
    assert formula.case.computed(formula.rule) == formula.case.cost


@pytest.mark.parametrize("formula", OURS, ids=lambda formula: formula.operator)
def test_every_formula_says_what_it_counts(formula: Formula) -> None:
    assert formula.equation
    assert formula.family
