"""What a profile says to the loggers of training runs. Nothing is imported for them: the user's object is at hand."""

from __future__ import annotations

import sys
from typing import Any

from flopsight.errors import InputError
from flopsight.record import Record
from flopsight.views import columns, markdown, table
from flopsight.views.columns import Row


def scalars(profile: Record) -> dict[str, int]:
    """The totals by name; where calls are unknown, the first three are lower bounds."""
    tally = profile.tally()
    found = {
        "macs": tally.macs,
        "flops": tally.flops,
        "exact": tally.cost.exact,
        "unknown_calls": columns.get("unknown").value(Row("", "", tally)),
        "params": int(profile.params),
        "trainable": profile.params.trainable,
    }
    if profile.storages:
        from flopsight.analysis.memory import memory

        found["peak_memory_bytes"] = memory(profile).peak_bytes
    return found


def log(profile: Record, logger: Any, step: int | None, name: str) -> None:
    """Log the totals, and the table as Markdown or as a table of the logger's library. Raises: InputError."""
    if all(callable(getattr(logger, method, None)) for method in ("add_scalar", "add_text")):
        for scalar, value in scalars(profile).items():
            logger.add_scalar(f"{name}/{scalar}", value, step)
        logger.add_text(f"{name}/table", markdown.render(profile), step)
    elif callable(getattr(logger, "log", None)) and hasattr(logger, "summary"):
        values: dict[str, Any] = {f"{name}/{scalar}": value for scalar, value in scalars(profile).items()}
        logger.log({**values, **_table(profile, logger, name)}, step=step)
    else:
        raise InputError(
            f"There is no logging to {type(logger).__name__!r}; give a SummaryWriter, which has add_scalar and "
            "add_text, or a run of Weights & Biases, which has log and summary."
        )


def _table(profile: Record, logger: Any, name: str) -> dict[str, Any]:
    """The rows as a table of the library that the logger is of, if that has any."""
    library = sys.modules.get(type(logger).__module__.partition(".")[0])
    if not hasattr(library, "Table"):
        return {}
    titles, rows = table.flat(profile)
    return {f"{name}/table": library.Table(columns=titles, data=rows)}  # type: ignore[union-attr]  # it was asked
