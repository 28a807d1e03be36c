"""Element-wise operators, those on complex numbers and on lists included, against their references."""

from __future__ import annotations

from formulas import (
    references_comparison,
    references_complex,
    references_elementary,
    references_foreach,
    references_pointwise,
)
from proof import proven, unproven

PROOFS = [
    *references_pointwise.PROOFS,
    *references_comparison.PROOFS,
    *references_elementary.PROOFS,
    *references_complex.PROOFS,
    *references_foreach.PROOFS,
]
test_counts_and_values = proven(PROOFS)


def test_every_formula_has_a_reference() -> None:
    assert unproven(PROOFS, family="pointwise") == set()
