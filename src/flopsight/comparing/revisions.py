"""Revisions of a git repository as folders of their own; the repository and its working tree stay as they are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flopsight.errors import InputError, near
from flopsight.units import shortened

_RANGE = re.compile(r"(?P<old>[^:\s]*?)(?P<dots>\.{2,3})(?P<new>[^:\s./][^:\s]*)?")
HEAD = "HEAD"


@dataclass(frozen=True)
class Range:
    """Two revisions. new: None for the files as they are. from_fork: from where the two parted, as `old...new`."""

    old: str
    new: str | None
    from_fork: bool = False


@dataclass(frozen=True)
class Repository:
    """A git repository, by the top folder of its working tree."""

    root: Path

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """The repository that a folder is in. Raises: InputError."""
        try:
            return cls(Path(_git(folder, "rev-parse", "--show-toplevel")).resolve())
        except subprocess.CalledProcessError as error:
            raise InputError(f"Revisions are of a git repository, which {folder} is not in.") from error

    def commit(self, revision: str) -> str:
        """The commit that a revision names. Raises: InputError with near matches."""
        try:
            return _git(self.root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        except subprocess.CalledProcessError as error:
            known = _git(self.root, "for-each-ref", "--format=%(refname:short)").split()
            raise InputError(
                f"{self.root} has no revision {shortened(revision)!r}.{near(revision, [*known, HEAD])}"
            ) from error

    def fork(self, old: str, new: str) -> str:
        """The last commit that two revisions have in common. Raises: InputError."""
        try:
            return _git(self.root, "merge-base", self.commit(old), self.commit(new))
        except subprocess.CalledProcessError as error:
            raise InputError(f"{old} and {new} have no commit in common.") from error

    @contextmanager
    def checked_out(self, revision: str) -> Iterator[Path]:
        """A new folder with the files of a revision, which is there inside. Raises: InputError.

        The index is one of its own, so that nothing of the repository changes, and no hook runs.
        """
        commit = self.commit(revision)
        with TemporaryDirectory(prefix="flopsight-", ignore_cleanup_errors=True) as made:
            folder = Path(made).resolve() / "tree"
            folder.mkdir()
            own = {"GIT_INDEX_FILE": str(folder.parent / "index")}
            try:
                _git(self.root, "read-tree", commit, variables=own)
                _git(self.root, "checkout-index", "--all", f"--prefix={folder}/", variables=own)
            except subprocess.CalledProcessError as error:
                raise InputError(f"{revision} cannot be checked out: {' '.join(error.stderr.split())}") from error
            yield folder


def read_range(text: str) -> Range | None:
    """The revisions that `old..new`, `old...new` or `old..` name; None for a text that is no range.

    As for git, what is left out before the dots is HEAD; after them, it is the files as they are.
    """
    read = _RANGE.fullmatch(text)
    if read is None or (not read["old"] and not read["new"]) or Path(text).exists():
        return None
    return Range(read["old"] or HEAD, read["new"], read["dots"] == "...")


def _git(folder: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
    """What git prints. Raises: CalledProcessError, InputError where there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            check=True,
            env={**os.environ, **(variables or {})},
            encoding=sys.getfilesystemencoding(),
            errors="surrogateescape",
        )
    except FileNotFoundError as error:
        raise InputError("Revisions are read by git, which is not installed.") from error
    return done.stdout.strip()
