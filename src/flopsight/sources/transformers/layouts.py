"""An input whose layout a configuration does not tell: the model's own weights decide among a few."""

from __future__ import annotations

from typing import Any


class Layouts:
    """The same data in several layouts, the usual one first; None stands for leaving the argument out."""

    def __init__(self, *among: Any) -> None:
        self.among = tuple(dict.fromkeys(among))
