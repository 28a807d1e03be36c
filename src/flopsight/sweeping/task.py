"""What is sent to the process that measures a model."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

ALWAYS = ("flopsight", "torch")


@dataclass(frozen=True)
class Task:
    """A model to measure, and what it may take.

    name: the model's address, or the name of what `factory` makes. factory, inputs: pickled, where given.
    proposals: elements taken where values decide how many.
    versions: of the libraries that figures depend on, which are to be the same wherever the model is measured.
    """

    name: str
    factory: bytes | None
    inputs: bytes | None
    time_limit_s: float | None
    memory_limit_bytes: int | None
    proposals: int | None
    versions: Mapping[str, str | None]


def versions(libraries: Iterable[str]) -> dict[str, str | None]:
    """The versions of these libraries here, None for one that is not installed."""
    return {library: _version(library) for library in libraries}


@cache
def _version(library: str) -> str | None:
    if library == ALWAYS[0]:
        from flopsight import __version__

        return __version__
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None
