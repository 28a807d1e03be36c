"""Libraries that are loaded when they are used."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

from flopsight.errors import MissingLibraryError


def require(library: str, *, use: str, install: str | None = None) -> ModuleType:
    """Import `library`, or raise MissingLibraryError saying what needs it and what to do about it.

    What a library warns of as it is imported concerns its own authors, and is not shown.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(library)
    except ModuleNotFoundError as error:
        raise missing(error, use, install) from error
    except Exception as error:
        raise MissingLibraryError(
            f"{use} needs the library {library}, which is installed but cannot be imported here: "
            f"{type(error).__name__}: {error}. Install the build of it that goes with this PyTorch."
        ) from error


def missing(error: ModuleNotFoundError, use: str, install: str | None = None) -> MissingLibraryError:
    """The error to raise where an import failed: what needs the library, and what to install."""
    library = (error.name or "unknown").partition(".")[0]
    return MissingLibraryError(
        f"{use} needs the library {library}, which is not installed. Install it with: pip install {install or library}"
    )
