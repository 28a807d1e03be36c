"""A `Meter` in the Trainer of Lightning: `Trainer(callbacks=[MeterCallback(meter)])`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from flopsight.errors import MissingLibraryError
from flopsight.metering.meter import Meter, allocated_on


def _base() -> Any:
    for name in ("lightning.pytorch", "pytorch_lightning"):
        try:
            return import_module(name).Callback
        except ModuleNotFoundError:
            continue
    raise MissingLibraryError(
        "The callback needs the library lightning, which is not installed. Install it with: pip install lightning"
    )


class MeterCallback(_base()):  # type: ignore[misc]
    """Logs a meter's readings after each batch, as `flopsight/mfu` and so on.

    meter: of the work of one batch on one device. samples, tokens: how many a batch has.
    """

    def __init__(
        self,
        meter: Meter,
        *,
        samples: Callable[[Any], int] | None = None,
        tokens: Callable[[Any], int] | None = None,
    ) -> None:
        super().__init__()
        self.meter = meter
        self._samples = samples
        self._tokens = tokens

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the first batch."""
        self.meter.allocated = self.meter.allocated or allocated_on(pl_module.device)
        self.meter.start()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Read the meter, and log it through the module."""
        samples = self._samples(batch) if self._samples else None
        tokens = self._tokens(batch) if self._tokens else None
        self.meter.tick(samples, tokens)
        pl_module.log_dict(self.meter.read().to_dict("flopsight/"))
