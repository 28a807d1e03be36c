"""Functions and switches of other libraries that stand aside while a run is active."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from types import FunctionType
from typing import Any


class Replacement:
    """A value in place of another's attribute while it is entered by any run, in whatever order the runs end.

    It is there for all threads, and a function passes on to `original` what is none of a run's. Nothing happens where
    this version of the library has no such attribute.
    """

    def __init__(self, owner: Any, name: str, value: Any) -> None:
        self._owner = owner
        self._name = name
        self._value = value
        self._lock = Lock()
        self._runs = 0
        self._placed = False
        self.original: Any = getattr(owner, name, value)

    def aside(self) -> Any:
        """What stands there while no run is active."""
        with self._lock:
            return self._aside() if self._placed else getattr(self._owner, self._name, None)

    def __enter__(self) -> None:
        with self._lock:
            if self._runs == 0 and hasattr(self._owner, self._name):
                self._begin()
                self._placed = True
            self._runs += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._runs -= 1
            if self._runs == 0 and self._placed:
                self._placed = False
                self._end()

    def _aside(self) -> Any:
        return self.original

    def _begin(self) -> None:
        self.original = getattr(self._owner, self._name)
        setattr(self._owner, self._name, self._value)

    def _end(self) -> None:
        setattr(self._owner, self._name, self.original)


def _detour(self: Any, *args: Any, _instead: Any = None, **kwargs: Any) -> Any:
    return _instead(self, args, kwargs)


class Detour(Replacement):
    """In place of a function or method: a function of the first argument, the others, and the keyword arguments.

    It stays what it is, for those who hold it, and runs other code. With another method, Python would look at all
    classes below the owner, and forget where it had found their attributes: `nn.Module` has hundreds.
    code: what is run, given `instead` as `_instead`; it names nothing but its arguments.
    there: what the owner has meanwhile. Where somebody has put another one in its place, that one calls this, and means
    the original.
    """

    def __init__(self, owner: Any, name: str, instead: Any, code: Callable[..., Any] = _detour) -> None:
        value = FunctionType(code.__code__, globals(), name)
        value.__kwdefaults__ = {"_instead": instead}
        super().__init__(owner, name, value)
        self.there: Any = None

    def _aside(self) -> Any:
        return self.original if self.there is self._value else self.there

    def _begin(self) -> None:
        self.there = method = vars(self._owner)[self._name]
        if type(method) is not FunctionType or method.__closure__ or method.__defaults__ or method.__kwdefaults__:
            super()._begin()
            self.there = self._value
            return
        self.original = FunctionType(method.__code__, method.__globals__, self._name)
        method.__kwdefaults__ = self._value.__kwdefaults__  # before the code, for other threads may call it
        method.__code__ = self._value.__code__

    def _end(self) -> None:
        if self.there is self._value:
            super()._end()
            return
        self.there.__code__ = self.original.__code__
        self.there.__kwdefaults__ = None
