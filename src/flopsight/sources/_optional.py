"""Libraries that are loaded when they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

from flopsight.errors import MissingLibraryError


def require(library: str, *, use: str, install: str | None = None) -> ModuleType:
    """Import `library`, or raise MissingLibraryError saying what needs it and what to install."""
    try:
        return importlib.import_module(library)
    except ModuleNotFoundError as error:
        raise missing(error, use, install) from error


def missing(error: ModuleNotFoundError, use: str, install: str | None = None) -> MissingLibraryError:
    """The error to raise where an import failed: what needs the library, and what to install."""
    library = (error.name or "unknown").partition(".")[0]
    return MissingLibraryError(
        f"{use} needs the library {library}, which is not installed. Install it with: pip install {install or library}"
    )
