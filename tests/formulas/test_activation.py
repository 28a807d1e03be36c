"""Activations and their gradients, against their references."""

from __future__ import annotations

from formulas import references_activation, references_activation_backward
from proof import proven, unproven

PROOFS = [*references_activation.PROOFS, *references_activation_backward.PROOFS]
test_counts_and_values = proven(PROOFS)


def test_every_formula_has_a_reference() -> None:
    assert unproven(PROOFS, family="activation") == set()
