"""Functions and switches of other libraries that stand aside while a run is active."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any


class Replacement:
    """A value in place of another's attribute while any run is active, in whatever order the runs end.

    It is there for all threads, and a function passes on to `original` what is none of a run's.
    """

    def __init__(self, owner: Any, name: str, value: Any) -> None:
        self._owner = owner
        self._name = name
        self._value = value
        self._lock = Lock()
        self._runs = 0
        self.original: Any = getattr(owner, name, value)

    def aside(self) -> Any:
        """What stands there while no run is active."""
        with self._lock:
            return self.original if self._runs else getattr(self._owner, self._name, None)

    @contextmanager
    def active(self) -> Iterator[None]:
        """In place meanwhile; nothing happens where this version of the library has no such attribute."""
        with self._lock:
            there = self._runs > 0 or hasattr(self._owner, self._name)
            if there and self._runs == 0:
                self.original = getattr(self._owner, self._name)
                setattr(self._owner, self._name, self._value)
            self._runs += there
        try:
            yield
        finally:
            with self._lock:
                self._runs -= there
                if there and self._runs == 0:
                    setattr(self._owner, self._name, self.original)
