"""Activations and their gradients, against their references."""

from __future__ import annotations

from formulas import references_activation
from formulas.proof import proven, without_proof

test_counts_and_values = proven(references_activation.PROOFS)


def test_every_formula_has_a_reference() -> None:
    assert without_proof("activation", references_activation.PROOFS) == set()
