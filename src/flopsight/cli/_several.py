"""Several models, or what was saved of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flopsight.comparing.rows import is_saved
from flopsight.errors import InputError, near
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


def measure(options: argparse.Namespace, addresses: Sequence[str]) -> list[Callable[[], Profile]]:
    """For each address, a function that measures the model, or reads the file, and raises FlopsightError.

    Files of code in more than one folder may import others of the same names: each has a process of its own.
    """
    apart = len({Path(file).resolve().parent for address in addresses if (file := _file(address))}) > 1
    return [_measuring(argparse.Namespace(**{**vars(options), "model": address}), apart) for address in addresses]


def _file(address: str) -> str | None:
    """The file of code that an address names."""
    location = address.partition("(")[0].partition(":")[0]
    return location if location.endswith(".py") else None


def _measuring(options: argparse.Namespace, apart: bool) -> Callable[[], Profile]:
    def measured() -> Profile:
        if is_saved(options.model):
            return read(Path(options.model))
        if apart:
            from flopsight.cli._apart import Place, run_apart

            return run_apart(options, [Place("", Path.cwd())])[0]
        from flopsight.cli._model import run_model

        return run_model(options)

    return measured
