"""Losses and their gradients, against their references."""

from __future__ import annotations

from formulas import references_ctc, references_loss, references_loss_by_class
from proof import proven, unproven

PROOFS = [*references_loss.PROOFS, *references_loss_by_class.PROOFS, *references_ctc.PROOFS]
test_counts_and_values = proven(PROOFS)


def test_every_formula_has_a_reference() -> None:
    assert unproven(PROOFS, family="loss") == set()
