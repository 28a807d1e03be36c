"""A `Meter` in the Trainer of transformers: `Trainer(..., callbacks=[MeterCallback(meter)])`."""

from __future__ import annotations

from typing import Any

from flopsight.errors import InputError, MissingLibraryError
from flopsight.metering.meter import Meter, allocated_on

try:
    from transformers import TrainerCallback
except ModuleNotFoundError as error:
    raise MissingLibraryError(
        "The callback needs the library transformers, which is not installed. Install it with: pip install transformers"
    ) from error


class MeterCallback(TrainerCallback):
    """Adds a meter's readings to what the Trainer logs, as `flopsight/mfu` and so on.

    meter: of the work of one batch on one device; batches that are accumulated count each.
    tokens: in each batch, if tokens a second are wanted.
    """

    def __init__(self, meter: Meter, *, tokens: int | None = None) -> None:
        self.meter = meter
        self._tokens = tokens
        self._batches = 1

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin the first step."""
        self.meter.allocated = self.meter.allocated or allocated_on(args.device)
        self.meter.start()

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A batch whose gradients are accumulated."""
        self._batches += 1

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The last batch of a step."""
        tokens = None if self._tokens is None else self._tokens * self._batches
        self.meter.tick(args.train_batch_size * self._batches, tokens, runs=self._batches)
        self._batches = 1

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Add the readings to the log, and to the history that the Trainer keeps."""
        try:
            found = self.meter.read().to_dict("flopsight/")
        except InputError:  # something is logged before the first step
            return
        if logs is not None:
            logs.update(found)
        if state.log_history:
            state.log_history[-1].update(found)
