"""What a closed form holds under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flopsight.sizes import Guard

EFFECTS = {
    "count": "the count depends on it",
    "kernel": "it only chooses operators that cost the same",
    "none": "the count does not depend on it",
    "unknown": "not tried otherwise",
}
"""What a comparison decides, as seen in runs in which it did not hold."""


@dataclass(frozen=True)
class Assumption:
    """A comparison that held in the run a closed form was made from, and its effect, one of `EFFECTS`."""

    guard: Guard
    effect: str = "unknown"

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether the closed form may be used at these sizes, as far as this is concerned."""
        return self.effect in ("kernel", "none") or self.guard.holds(sizes)

    def __str__(self) -> str:
        asked = f", asked at {self.guard.place}" if self.guard.place else ""
        return f"{self.guard}: {EFFECTS[self.effect]}{asked}"
