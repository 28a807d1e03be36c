"""Time at best: how long a device needs for a run at least, by what it computes and moves in a second at most.

Needs no torch. A kernel computes and moves at the same time; kernels run one after the other. So a run takes at least
the sum over its kernels of the longer of the two.

Operations. Contractions go at the device's rate for their dtype, two for each multiply-accumulate, without those that a
mask given in the call makes unnecessary. Every other scalar operation goes at `Device.other_rate`, whatever its dtype,
beside them: a kernel takes the longer of the two. Both are counted by the operator's own algorithm; a convolution by
Winograd or Fourier transforms does with fewer multiplications.

Bytes are those of `analysis.traffic`, and there are two times for them. `streamed_s` is that of textbooks: all of them
pass between memory and processor. `least_s` cannot be beaten: it leaves out what a cache may hold. Of what a kernel
reads, as much as the cache's size may be there already, and of what it writes as much may stay; that much moves as fast
as the cache does. Parameters are read from memory once in a run; one that is repeated may find in the cache those that
the run before left there, which is `repeated_s`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from flopsight.analysis.kernels import Kernel, kernels
from flopsight.calls import Operation, ancestors
from flopsight.cost import FLOPS_PER_MAC
from flopsight.devices import Device, get
from flopsight.errors import InputError
from flopsight.record import Record

BOUNDS = ("compute", "memory", "launch")
"""What a kernel waits for: arithmetic, bytes, or being started."""

_WHOLE_NUMBERS = ("bool", "int", "uint", "q")
_ROUNDED = {"convolution", "recurrent"}


@dataclass(frozen=True)
class Work:
    """What some kernels do, and how long that takes at best.

    operator, family: of the first contraction, or else of the first call. module, phase: where it was called. In a sum
    over several, those that are not the same are empty.
    kernels: how many there are. products: operations of contractions, by dtype. others: all other scalar operations.
    read_bytes, written_bytes: what moves. least_s: the least time. streamed: the time where every byte passes through
    memory, by what the kernels wait for.
    """

    operator: str = ""
    family: str = ""
    module: str = ""
    phase: str = ""
    kernels: int = 0
    products: Mapping[str, int] = field(default_factory=dict)
    others: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    least_s: float = 0.0
    streamed: Mapping[str, float] = field(default_factory=dict)

    @property
    def operations(self) -> int:
        """Scalar operations, contractions and others."""
        return sum(self.products.values()) + self.others

    @property
    def nbytes(self) -> int:
        """Bytes read and written."""
        return self.read_bytes + self.written_bytes

    @property
    def intensity(self) -> float:
        """Operations for each byte that moves; infinite where none does."""
        return self.operations / self.nbytes if self.nbytes else float("inf") if self.operations else 0.0

    @property
    def streamed_s(self) -> float:
        """The time where every byte passes through memory."""
        return sum(self.streamed.values())

    @property
    def bound(self) -> str:
        """What most of `streamed_s` is spent waiting for, one of `BOUNDS`; empty where it is none."""
        return max(self.streamed, key=lambda bound: self.streamed[bound]) if self.streamed_s else ""


def together(parts: Iterable[Work]) -> Work:
    """The sum of some work."""
    rows = list(parts)

    def same(value: Callable[[Work], str]) -> str:
        found = {value(row) for row in rows}
        return found.pop() if len(found) == 1 else ""

    products: Counter[str] = Counter()
    for row in rows:
        products.update(row.products)
    return Work(
        operator=same(lambda row: row.operator),
        family=same(lambda row: row.family),
        module=same(lambda row: row.module),
        phase=same(lambda row: row.phase),
        kernels=sum(row.kernels for row in rows),
        products=dict(products),
        others=sum(row.others for row in rows),
        read_bytes=sum(row.read_bytes for row in rows),
        written_bytes=sum(row.written_bytes for row in rows),
        least_s=sum(row.least_s for row in rows),
        streamed={bound: sum(row.streamed.get(bound, 0.0) for row in rows) for bound in BOUNDS},
    )


@dataclass(frozen=True)
class Roofline:
    """How long a run takes a device at best, and where the time goes.

    record: the run; operators of it whose cost is not known take no time here. device: whose rates they are.
    rows: kernels of the same operator, module and phase together. parameter_bytes: parameters that the run reads.
    floor_s: the least time of a run that finds everything in the cache. fused, launch_s, compute_dtype: as given to
    `roofline`.
    """

    record: Record = field(repr=False)
    device: Device
    rows: tuple[Work, ...]
    parameter_bytes: int
    floor_s: float
    fused: bool = False
    launch_s: float = 0.0
    compute_dtype: str | None = None

    @cached_property
    def total(self) -> Work:
        """All rows together."""
        return together(self.rows)

    @property
    def least_s(self) -> float:
        """The least time of a run whose parameters are in memory."""
        return self.total.least_s

    @property
    def streamed_s(self) -> float:
        """The time where every byte passes through memory, as textbooks have it."""
        return self.total.streamed_s

    @property
    def repeated_s(self) -> float:
        """The least time of a run after another: the cache may hold parameters from the one before."""
        kept_s = min(self.parameter_bytes, self.device.cache_bytes) / self.device.memory_bytes_per_s
        return max(self.floor_s, self.least_s - kept_s)

    @property
    def joules(self) -> float | None:
        """The energy of the least time at the device's power limit; None without one."""
        limit = self.device.power_limit_w
        return None if limit is None else self.least_s * limit

    def by_module(self) -> dict[str, Work]:
        """For each module's path, the work of that module and all below it."""
        groups: dict[str, list[Work]] = {path: [] for path in self.record.by_module()}
        for row in self.rows:
            for path in ancestors(row.module):
                if path in groups:
                    groups[path].append(row)
        return {path: together(rows) for path, rows in groups.items()}

    def by(self, part: str) -> dict[str, Work]:
        """Work by `operator`, `family`, `module` (of its own code alone) or `phase`, longest first."""
        groups: dict[str, list[Work]] = {}
        for row in self.rows:
            groups.setdefault(getattr(row, part), []).append(row)
        sums = {name: together(rows) for name, rows in groups.items()}
        return dict(sorted(sums.items(), key=lambda item: -item[1].least_s))


def roofline(
    record: Record,
    device: str | Device,
    *,
    fused: bool = False,
    launch_s: float = 0.0,
    compute_dtype: str | None = None,
) -> Roofline:
    """How long `device` needs for the run of `record` at least.

    fused: as a compiler runs it at best, rather than operator by operator. launch_s: what a kernel takes at least.
    compute_dtype: what contractions of floating-point numbers are computed in, where that is not their dtype: `tf32`.

    Raises: DeviceError for an unknown device or a dtype that it has no rate for; InputError.
    """
    if not launch_s >= 0:
        raise InputError(f"launch_s is {launch_s!r}; give the seconds that starting a kernel takes, 0 or more.")
    found = get(device)
    rows: dict[tuple[str, str, str], list[Work]] = {}
    parameter_bytes, floor_s = 0, 0.0
    for kernel in kernels(record, fused=fused):
        work, inside_s = _work(kernel, found, launch_s, compute_dtype)
        rows.setdefault((work.operator, work.module, work.phase), []).append(work)
        parameter_bytes += kernel.parameter_bytes
        floor_s += inside_s
    return Roofline(
        record=record,
        device=found,
        rows=tuple(map(together, rows.values())),
        parameter_bytes=parameter_bytes,
        floor_s=floor_s,
        fused=fused,
        launch_s=launch_s,
        compute_dtype=compute_dtype,
    )


def timeline(found: Roofline) -> Iterator[Work]:
    """The kernels of a run in the order they run, each by itself."""
    for kernel in kernels(found.record, fused=found.fused):
        yield _work(kernel, found.device, found.launch_s, found.compute_dtype)[0]


def _work(kernel: Kernel, device: Device, launch_s: float, compute_dtype: str | None) -> tuple[Work, float]:
    """What a kernel does, and its least time where everything is in the cache."""
    products: Counter[str] = Counter()
    others = 0
    for operation in (call.operation for call in kernel.calls):
        if operation.cost is not None:
            needed = FLOPS_PER_MAC * (operation.cost.macs - operation.cost.masked_macs)
            if needed:
                products[computed_in(operation, compute_dtype, device)] += needed
            others += operation.cost.exact - operation.cost.linear
    compute_s = max(sum(n / device.rate(dtype) for dtype, n in products.items()), others / device.other_rate)
    moved = kernel.read_bytes + kernel.parameter_bytes + kernel.written_bytes
    cached = device.cache_bytes
    beyond = max(0, kernel.read_bytes - cached) + kernel.parameter_bytes + max(0, kernel.written_bytes - cached)
    inside_s = moved / device.cache_bytes_per_s if device.cache_bytes_per_s else 0.0
    times = {"compute": compute_s, "memory": moved / device.memory_bytes_per_s, "launch": launch_s}
    bound = max(times, key=lambda name: times[name])
    within_s = max(compute_s, inside_s, launch_s)
    shown = next((call for call in kernel.calls if call.operation.cost and call.operation.cost.macs), kernel.calls[0])
    work = Work(
        operator=shown.operation.name,
        family=shown.operation.family,
        module=shown.module,
        phase=shown.phase,
        kernels=1,
        products=dict(products),
        others=others,
        read_bytes=kernel.read_bytes + kernel.parameter_bytes,
        written_bytes=kernel.written_bytes,
        least_s=max(beyond / device.memory_bytes_per_s, within_s),
        streamed={bound: times[bound]},
    )
    return work, within_s


def computed_in(operation: Operation, compute_dtype: str | None, device: Device) -> str:
    """What the contractions of an operator are computed in: `compute_dtype`, for floating-point numbers.

    Without one it is the operator's own dtype, but in convolutions and recurrent layers of float32 it is `tf32` where
    the device has that: PyTorch lets cuDNN round there unless it is told otherwise.
    """
    if operation.dtype.startswith(_WHOLE_NUMBERS):
        return operation.dtype
    if compute_dtype is None and operation.dtype == "float32" and operation.family in _ROUNDED:
        return "tf32" if "tf32" in device.rates else operation.dtype
    return compute_dtype or operation.dtype
