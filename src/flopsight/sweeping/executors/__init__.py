"""Engines whose workers can measure, one file each: `NAME:ADDRESS`, as in `dask:tcp://10.0.0.1:8786`."""

from __future__ import annotations

import importlib
import pkgutil
from concurrent.futures import Executor
from contextlib import AbstractContextManager

from flopsight.errors import InputError, near


def names() -> list[str]:
    """The engines."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def connected(text: str) -> AbstractContextManager[Executor]:
    """The executor that `text` names, while the context lasts. Raises: InputError, MissingLibraryError."""
    name, colon, address = text.partition(":")
    if name not in names() or not address:
        forms = " or ".join(f"{known}:ADDRESS" for known in names())
        raise InputError(f"{text!r} names no executor; write {forms}.{near(name, names()) if colon else ''}")
    context: AbstractContextManager[Executor] = importlib.import_module(f"{__name__}.{name}").connected(address)
    return context
