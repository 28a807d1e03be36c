"""Saved profiles: reading them, and showing those that a stranger may have written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flopsight.cli import TRACEBACK
from flopsight.errors import FlopsightError, InputError, ProfileFormatError, near
from flopsight.loading import load

if TYPE_CHECKING:
    from flopsight.profiles import Profile


def read(path: Path) -> Profile:
    """A saved profile. Raises: InputError with near names, ProfileFormatError."""
    try:
        return load(path)
    except OSError as error:
        beside = [str(other) for other in path.parent.glob("*.json*")] if path.parent.is_dir() else []
        raise InputError(f"{path} cannot be read: {error.strerror}.{near(str(path), beside)}") from error


@contextmanager
def showing(path: Path) -> Iterator[None]:
    """Inside, a saved profile is shown. Raises: ProfileFormatError for one that cannot be."""
    try:
        yield
    except (FlopsightError, OSError):
        raise
    except Exception as error:
        if TRACEBACK in os.environ:
            raise
        raise ProfileFormatError(
            f"{path} cannot be shown this way ({type(error).__name__}: {error}): its operators do not have the "
            f"arguments that flopsight writes. If flopsight wrote it, set {TRACEBACK}=1 and please report it."
        ) from error
