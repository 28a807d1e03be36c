"""Utilisation: of what a device could have computed in a time, how much a run is. Needs no torch.

Model FLOPs utilisation (MFU, of the PaLM paper, appendix B) counts what the model needs: forward and backward once.
Hardware FLOPs utilisation (HFU) also counts what runs again because activations were not kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from flopsight import conventions, units
from flopsight.analysis.roofline import computed_in
from flopsight.calls import PHASES, Operation
from flopsight.conventions import Convention
from flopsight.cost import FLOPS_PER_MAC
from flopsight.devices import Device, get
from flopsight.errors import InputError
from flopsight.record import Record

RECOMPUTE = "recompute"


@dataclass(frozen=True)
class Utilisation:
    """A run's operations, and the time they would take at the device's peak rates, beside the time they took.

    convention: what counts; one of multiply-accumulates counts each as two operations. seconds: how long it took.
    model_operations, model_s: what the model needs, and the least time for it. hardware_operations, hardware_s: with
    what is computed again.
    """

    device: Device
    convention: str
    seconds: float
    model_operations: int
    model_s: float
    hardware_operations: int
    hardware_s: float

    @property
    def mfu(self) -> float:
        """Model FLOPs utilisation, a share of 1."""
        return self.model_s / self.seconds

    @property
    def hfu(self) -> float:
        """Hardware FLOPs utilisation, a share of 1."""
        return self.hardware_s / self.seconds

    def __str__(self) -> str:
        return (
            f"MFU {units.share(self.model_s, self.seconds)}, HFU {units.share(self.hardware_s, self.seconds)} of "
            f"{self.device.title or self.device.name} (convention {self.convention}): "
            f"{units.count(self.model_operations)} operations of the model and {units.count(self.hardware_operations)} "
            f"with what is computed again, in {units.time(self.seconds)}."
        )


def utilisation(
    record: Record,
    seconds: float,
    device: str | Device,
    *,
    convention: str | Convention = "flops",
    compute_dtype: str | None = None,
) -> Utilisation:
    """How much of `device` a run used that took so many seconds.

    Each operator counts at the rate of its dtype, contractions at the device's rate for it; compute_dtype: as in
    `Profile.roofline`. Raises: ConventionError, DeviceError, InputError.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < float("inf"):
        raise InputError(f"The run took {seconds!r} seconds; give the time of one run, above 0.")
    way, found = conventions.get(convention), get(device)
    each = FLOPS_PER_MAC if way.unit == "MACs" else 1

    def needed(phase: str) -> tuple[int, float]:
        counts = record.tally(phase=phase).counts
        work = [
            (operation, times * each * way.count(operation)) for operation, times in counts.items() if operation.cost
        ]
        return sum(n for _, n in work), sum(n / _rate(operation, found, compute_dtype) for operation, n in work if n)

    by_phase = {phase: needed(phase) for phase in PHASES}
    again, again_s = by_phase.pop(RECOMPUTE)
    model, model_s = sum(n for n, _ in by_phase.values()), sum(s for _, s in by_phase.values())
    return Utilisation(found, way.name, float(seconds), model, model_s, model + again, model_s + again_s)


def _rate(operation: Operation, device: Device, compute_dtype: str | None) -> float:
    contracts = operation.cost is not None and operation.cost.macs
    return device.rate(computed_in(operation, compute_dtype, device)) if contracts else device.other_rate
