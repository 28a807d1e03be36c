"""What a real run took, beside what it takes at best. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flopsight.analysis.roofline import Roofline
from flopsight.analysis.utilisation import Utilisation


@dataclass(frozen=True)
class Measurement:
    """How long a model took, beside its least time; `print` it to read it.

    on: where it ran. seconds: the median of `runs` runs. spread_s: between their quartiles. best_s: the shortest.
    modules_s: by module's path, the median time of its calls in a run, which the clock itself makes longer.
    roofline: the least time on the device that it is held against. utilisation: MFU and HFU on it.
    """

    on: str
    seconds: float
    spread_s: float
    best_s: float
    runs: int
    modules_s: Mapping[str, float]
    roofline: Roofline
    utilisation: Utilisation

    @property
    def ratio(self) -> float:
        """How many times the least time of a repeated run it took."""
        return self.seconds / self.roofline.repeated_s if self.roofline.repeated_s else float("inf")
