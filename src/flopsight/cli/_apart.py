"""Models measured in a process of their own, where code of the same names would meet."""

from __future__ import annotations

import argparse
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flopsight.errors import FlopsightError, InputError
from flopsight.loading import load
from flopsight.profiles import Profile

_PROGRAM = "from flopsight.cli._apart import answer; answer()"


@dataclass(frozen=True)
class Place:
    """Where a model is measured.

    name: for messages, if it needs one. root, tree: a folder, and another that stands in its place; None for itself.
    """

    name: str
    root: Path
    tree: Path | None = None

    def there(self, path: Path) -> Path:
        """Where what is in the root is in the tree."""
        if self.tree is None or not path.is_relative_to(self.root):
            return path
        return self.tree / path.relative_to(self.root)

    @property
    def folder(self) -> Path:
        """The working folder. Raises: InputError where there is none."""
        here = Path.cwd().resolve()
        found = self.there(here)
        if not found.is_dir():
            raise InputError(f"{self.name} has no folder {here.relative_to(self.root)}.")
        return found

    @property
    def importable(self) -> list[str]:
        """The folders that code is imported from before all others, as far as they are of the tree."""
        if self.tree is None:
            return []
        known = [Path(path).resolve() for path in sys.path if path]
        moved = [self.there(path) for path in known if path.is_relative_to(self.root)]
        folders = dict.fromkeys([self.folder, self.tree, self.tree / "src", *moved])
        return [str(folder) for folder in folders if folder.is_dir()]

    def address(self, model: str) -> str:
        """The model's address there: one by an absolute path in the root is of the tree."""
        path = Path(model)
        return str(self.there(path)) if path.is_absolute() else model


def run(options: argparse.Namespace) -> Profile:
    """Build the model and profile it, with its memory and the step of an optimizer if asked. Raises: FlopsightError."""
    from flopsight.cli._model import run_model

    memory = getattr(options, "follow_memory", False)
    return run_model(options, memory=memory, optimizer=getattr(options, "optimizer", None))


def run_apart(options: argparse.Namespace, places: Sequence[Place]) -> list[Profile]:
    """The profile of the model that the options name, in each place, two at a time. Raises: FlopsightError."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(lambda place: _measured(options, place), places))


def _measured(options: argparse.Namespace, place: Place) -> Profile:
    given = {**vars(options), "model": place.address(options.model)}
    with TemporaryDirectory(prefix="flopsight-", ignore_cleanup_errors=True) as made:
        out = Path(made) / "profile.json.gz"
        task = pickle.dumps((given, str(place.folder), place.importable, str(out)))
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            input=task,
            stdout=subprocess.PIPE,
            check=False,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        if done.returncode or not done.stdout:
            where = f" at {place.name}" * bool(place.name)
            raise InputError(f"The process that measured {options.model}{where} ended with code {done.returncode}.")
        error = pickle.loads(done.stdout)
        if error is not None:
            kind, sentence = error
            raise kind(f"{place.name}: {sentence}" if place.name else sentence)
        profile = load(out)
    profile.about["address"] = options.model
    return profile


def answer() -> None:
    """Measure what standard input says, and save the profile; to standard output goes the error, or None."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    given, folder, importable, out = pickle.load(sys.stdin.buffer)
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what the model prints
        os.chdir(folder)
        sys.path[:0] = importable
        pickle.dump(_saved(argparse.Namespace(**given), out), answers)


def _saved(options: argparse.Namespace, out: str) -> tuple[type[FlopsightError], str] | Any:
    try:
        run(options).save(out)
    except FlopsightError as error:
        return type(error), str(error)
    return None
