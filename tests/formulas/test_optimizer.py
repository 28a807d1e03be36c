"""Fused optimizer steps, against their references."""

from __future__ import annotations

from formulas import references_optimizer
from proof import proven, unproven

test_counts_and_values = proven(references_optimizer.PROOFS, examples=25)


def test_every_formula_has_a_reference() -> None:
    assert unproven(references_optimizer.PROOFS, family="optimizer") == set()
