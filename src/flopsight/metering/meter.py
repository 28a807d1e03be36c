"""`Meter`: FLOPs done, utilisation, memory, and samples and tokens a second, over the last steps of a loop."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, NamedTuple

from flopsight.analysis.memory import memory
from flopsight.analysis.utilisation import RECOMPUTE, utilisation
from flopsight.devices import Device, get
from flopsight.errors import InputError
from flopsight.record import Record

_LONG_S = 1.0  # any time will do to learn what a run would take at peak rates


@dataclass(frozen=True)
class Reading:
    """What a meter shows.

    steps, flops: since the beginning. seconds, step_s, flops_per_s, samples_per_s, tokens_per_s, mfu, hfu: over the
    window; None where the meter was not told what it takes. FLOPs are the model's, two for each multiply-accumulate.
    predicted_bytes, allocated_bytes: memory at the most, as the profile of the work has it (on a graphics card as the
    caching allocator takes it), and in reality so far.
    """

    steps: int
    flops: int
    seconds: float
    step_s: float
    flops_per_s: float
    samples_per_s: float | None = None
    tokens_per_s: float | None = None
    mfu: float | None = None
    hfu: float | None = None
    predicted_bytes: int | None = None
    allocated_bytes: int | None = None

    def to_dict(self, prefix: str = "") -> dict[str, float]:
        """What is known, by name, for a logger."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {f"{prefix}{name}": value for name, value in values.items() if value is not None}


class _Step(NamedTuple):
    seconds: float
    runs: int
    samples: int | None
    tokens: int | None


class Meter:
    """How fast a loop goes, and how much of a device it uses. Time is that of the clock on the wall.

    work: the profile of one step (forward and backward), or the FLOPs of one step as a number.
    device: a name or a `flopsight.Device`, for MFU and HFU. dtype: what the FLOPs are computed in, for work given as a
    number; of a profile, what contractions are computed in, if not in their own. window: steps that rates are over.
    allocated: tells the bytes allocated at the most (`torch.cuda.max_memory_allocated`), to stand beside those that a
    profile which followed memory predicts. clock: seconds from any beginning.

    A graphics card works on after a step's code has returned; over a window of some steps that evens out.
    Raises: DeviceError, InputError.
    """

    def __init__(
        self,
        work: Record | int,
        device: str | Device | None = None,
        *,
        dtype: str | None = None,
        window: int = 50,
        allocated: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if isinstance(work, bool) or not isinstance(work, (Record, int)) or (isinstance(work, int) and work < 0):
            raise InputError(f"A step's work is {work!r}; give a profile of the step, or its FLOPs as an integer.")
        if isinstance(window, bool) or not isinstance(window, int) or window < 1:
            raise InputError(f"The window is {window!r}; give a number of steps, at least 1.")
        self._model_s = self._hardware_s = None if device is None else 0.0
        self._predicted_bytes: int | None = None
        self.allocated = allocated
        if isinstance(work, Record):
            if not isinstance(work.flops, int):
                raise InputError(
                    "The work is of formulas, and a step has a number of FLOPs; give the sizes: form.at(...)"
                )
            self._flops = work.flops - work.total("flops", phase=RECOMPUTE)
            if device is not None:
                used = utilisation(work, _LONG_S, device, compute_dtype=dtype)
                self._model_s, self._hardware_s = used.model_s, used.hardware_s
            if work.storages:
                on_card = device is not None and get(device).kind == "gpu"
                self._predicted_bytes = memory(work, "cuda" if on_card else None).peak_bytes
        else:
            self._flops = work
            if device is not None:
                if dtype is None:
                    raise InputError("FLOPs as a number say not what they are computed in; give it: dtype='bfloat16'.")
                self._model_s = self._hardware_s = work / get(device).rate(dtype)
        self._clock = clock
        self._recent: deque[_Step] = deque(maxlen=window)
        self._steps = self._runs = 0
        self._since: float | None = None

    def start(self) -> None:
        """Begin the first step of `tick` now."""
        self._since = self._clock()

    def tick(self, samples: int | None = None, tokens: int | None = None, *, runs: int = 1) -> None:
        """The end of a step that began with the last tick, or with `start`; the first tick of all only begins one.

        samples, tokens: what the step took in. runs: how often it ran the profile's work (gradient accumulation).
        """
        now = self._clock()
        if self._since is not None:
            self._book(now - self._since, runs, samples, tokens)
        self._since = now

    @contextmanager
    def step(self, samples: int | None = None, tokens: int | None = None, *, runs: int = 1) -> Iterator[None]:
        """A step is what is done inside; one that raises does not count. The arguments are those of `tick`."""
        began = self._clock()
        yield
        self._book(self._clock() - began, runs, samples, tokens)

    def read(self) -> Reading:
        """What the meter shows now. Raises: InputError before the first step is done."""
        seconds = sum(step.seconds for step in self._recent)
        if not self._recent or not seconds > 0:
            raise InputError("No step is done yet; read the meter after a step: with meter.step(): ...")
        runs = sum(step.runs for step in self._recent)

        def per_s(counts: list[int | None]) -> float | None:
            return None if None in counts else sum(filter(None, counts)) / seconds

        return Reading(
            steps=self._steps,
            flops=self._runs * self._flops,
            seconds=seconds,
            step_s=seconds / len(self._recent),
            flops_per_s=runs * self._flops / seconds,
            samples_per_s=per_s([step.samples for step in self._recent]),
            tokens_per_s=per_s([step.tokens for step in self._recent]),
            mfu=None if self._model_s is None else runs * self._model_s / seconds,
            hfu=None if self._hardware_s is None else runs * self._hardware_s / seconds,
            predicted_bytes=self._predicted_bytes,
            allocated_bytes=None if self.allocated is None else self.allocated(),
        )

    def _book(self, seconds: float, runs: int, samples: int | None, tokens: int | None) -> None:
        self._recent.append(_Step(seconds, runs, samples, tokens))
        self._steps += 1
        self._runs += runs


def allocated_on(device: Any) -> Callable[[], int] | None:
    """Tells what PyTorch allocated at the most on a `torch.device`; None for a CPU, whose allocator keeps no count."""
    if device.type != "cuda":
        return None
    return partial(sys.modules["torch"].cuda.max_memory_allocated, device)
