"""What a closed form holds under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flopsight.sizes import Guard


@dataclass(frozen=True)
class Assumption:
    """A comparison that held in the run a closed form was made from.

    matters: whether the count is another where it does not hold; False where a run in which it did not hold counted the
    same, None where no such run was found.
    """

    guard: Guard
    matters: bool | None

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether the closed form may be used at these sizes, as far as this is concerned."""
        return self.matters is False or self.guard.holds(sizes)

    def __str__(self) -> str:
        effect = {True: "the count depends on it", False: "the count does not depend on it", None: "not tried otherwise"}
        asked = f", asked at {self.guard.place}" if self.guard.place else ""
        return f"{self.guard}: {effect[self.matters]}{asked}"
