"""Several models, or what was saved of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flopsight.cli._apart import Place, run, run_apart
from flopsight.cli._saved import read
from flopsight.comparing.rows import is_saved

if TYPE_CHECKING:
    from flopsight.profiles import Profile


def each(options: argparse.Namespace, addresses: Sequence[str]) -> list[argparse.Namespace]:
    """The same options for each model."""
    return [argparse.Namespace(**{**vars(options), "model": address}) for address in addresses]


def measure(runs: Sequence[argparse.Namespace]) -> list[Callable[[], Profile]]:
    """For each of these options, a function that measures the model, or reads the file, and raises FlopsightError.

    Each has a process of its own where files of code are in more than one folder, so that both may import others of one
    name, and where one is there twice, for what it registers with PyTorch may be registered once.
    """
    files = [Path(file).resolve() for run in runs if (file := _file(run.model))]
    apart = len({file.parent for file in files}) > 1 or len(set(files)) < len(files)
    return [_measuring(run, apart=apart) for run in runs]


def _file(address: str) -> str | None:
    """The file of code that an address names."""
    location = address.partition("(")[0].partition(":")[0]
    return location if location.endswith(".py") else None


def _measuring(options: argparse.Namespace, *, apart: bool) -> Callable[[], Profile]:
    def measured() -> Profile:
        if is_saved(options.model):
            return read(Path(options.model))
        return run_apart(options, [Place("", Path.cwd())])[0] if apart else run(options)

    return measured
