"""Counts over parts of a closed form, as SymPy expressions."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from flopsight.conventions import Convention
from flopsight.cost import Cost
from flopsight.record import Tally
from flopsight.sizes.expression import expression


class FormulaTally(Tally):
    """Operator calls counted by kind, and what they cost together: SymPy expressions in the names of sizes."""

    @cached_property
    def numbers(self) -> Tally:
        """The same calls, with sizes that know their formula for figures."""
        return Tally(self.counts)

    @property
    def calls(self) -> Any:
        """Number of operator calls."""
        return expression(self.numbers.calls)

    @cached_property
    def cost(self) -> Cost:
        """Scalar operations of all calls whose cost is known."""
        cost = self.numbers.cost
        return Cost._make(map(expression, cost))

    @property
    def macs(self) -> Any:
        """Multiply-accumulates of contractions."""
        return expression(self.numbers.macs)

    @property
    def flops(self) -> Any:
        """Floating-point operations of contractions, two a multiply-accumulate."""
        return expression(self.numbers.flops)

    @property
    def effective_macs(self) -> Any:
        """`macs` without those that a mask given in the call makes unnecessary."""
        return expression(self.numbers.effective_macs)

    def total(self, convention: str | Convention = "flops") -> Any:
        """The count under a convention. Raises: ConventionError."""
        return expression(self.numbers.total(convention))

    def __repr__(self) -> str:
        return f"<{self.calls} calls: {self.macs} MACs>"
