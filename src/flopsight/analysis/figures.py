"""Figures of a profile by name, whole and by module: what budgets and baselines are made of. Needs no torch."""

from __future__ import annotations

from flopsight import conventions
from flopsight.analysis.memory import memory
from flopsight.analysis.modules import Modules
from flopsight.errors import InputError, near
from flopsight.record import Record, Tally

PARAMS, PEAK, CALLS, UNKNOWN = "params", "peak", "calls", "unknown"


def names() -> list[str]:
    """The names of all figures: every convention, `params`, `peak` (bytes), `calls` and `unknown` (operator calls)."""
    return [*conventions.names(), PARAMS, PEAK, CALLS, UNKNOWN]


def check(name: str) -> None:
    """Refuse what is no figure. Raises: InputError with near matches."""
    if name not in names():
        raise InputError(f"There is no figure {name!r}; there are {', '.join(names())}.{near(name, names())}")


def figure(record: Record, name: str) -> int:
    """The figure of a whole profile. Raises: InputError for an unknown one, and for memory that was not followed."""
    if name == PARAMS:
        return int(record.params)
    if name == PEAK:
        return memory(record).peak_bytes
    return _of_calls(record.tally(), name)


def by_module(record: Record, name: str) -> dict[str, int]:
    """What each module has of a figure itself, without those below; they add up to the whole. Raises: InputError."""
    if name == PEAK:
        return dict(memory(record).by_module)
    modules = Modules().of(record)
    if name == PARAMS:
        return {path: int(own.params) for path, own in modules.items()}
    return {path: _of_calls(own.tally, name) for path, own in modules.items()}


def is_bounded(name: str) -> bool:
    """Whether a figure is a lower bound where the cost of operators is unknown."""
    return name not in (PARAMS, PEAK, CALLS, UNKNOWN)


def _of_calls(tally: Tally, name: str) -> int:
    check(name)
    if name == CALLS:
        return tally.calls
    if name == UNKNOWN:
        return sum(tally.counts[operation] for kinds in tally.unknown.values() for operation in kinds)
    return tally.total(name)
