"""What code asked of a size while it ran, and the answer that it went on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from flopsight.sizes.expression import written
from flopsight.sizes.poly import Poly

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True)
class Guard:
    """A comparison that held in a run: `left sign right`, asked at `place` (file, line and code)."""

    left: Poly
    sign: str
    right: Poly
    place: str

    @classmethod
    def of(cls, left: Poly, sign: str, right: Poly, *, held: bool, place: str) -> Guard:
        """The comparison, or its opposite where it did not hold."""
        return cls(left, sign if held else _OPPOSITE[sign], right, place)

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether it does at other sizes."""
        return bool(_COMPARE[self.sign](self.left.at(sizes), self.right.at(sizes)))

    @property
    def is_certain(self) -> bool:
        """Whether it plainly holds at all sizes from 1 on: a sum of sizes is no less than what it adds up."""
        difference = self.left - self.right
        if any(atom.of is not None for monomial in difference.terms for atom, _ in monomial):
            return False  # a floor may be 0
        more = all(n > 0 for n in difference.terms.values())
        less = all(n < 0 for n in difference.terms.values())
        return (more and self.sign in (">", ">=", "!=")) or (less and self.sign in ("<", "<=", "!="))

    def names(self) -> set[str]:
        """The sizes it is about."""
        return self.left.names() | self.right.names()

    def __str__(self) -> str:
        return f"{written(self.left)} {self.sign} {written(self.right)}"
