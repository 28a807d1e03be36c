"""An input whose layout a configuration does not tell: the model's own weights decide among a few."""

from __future__ import annotations

from typing import Any

from flopsight.tracing.given.inputs import Spec, spec


class Layouts:
    """The same data in several layouts, the usual one first; None stands for leaving the argument out."""

    def __init__(self, *among: Any) -> None:
        self.among = tuple(dict.fromkeys(among))


def tensor(*sizes: Any, dtype: str | None = None) -> Spec | None:
    """A tensor to come; None where the configuration does not tell one of its sizes."""
    return None if None in sizes else spec(*sizes, dtype=dtype)
