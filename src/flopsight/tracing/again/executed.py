"""The Python code that ran meanwhile."""

from __future__ import annotations

import os
import sys
import sysconfig
from types import CodeType, TracebackType
from typing import Any

from flopsight.tracing.place import HERE, TORCH

_STANDARD = tuple(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib"))
_SITES = tuple(f"{sysconfig.get_path(name)}{os.sep}" for name in ("purelib", "platlib"))
_MADE = ("torch.", "flopsight.", "namedtuple_")
"""Beginnings of the names of modules whose code Python makes as it runs: of tuples with names, and data classes."""


class Executed:
    """Notes, while it is entered, each function's code that runs in this thread.

    codes: by `id`, with the name of the module that it runs in. complete: whether all of it was seen, as no profiler of
    the user's was in the way.
    """

    def __init__(self) -> None:
        self.codes: dict[int, tuple[CodeType, str]] = {}
        self.complete = False

    def __enter__(self) -> None:
        self.complete = sys.getprofile() is None
        if self.complete:
            sys.setprofile(self._note)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.complete:
            sys.setprofile(None)

    def _note(self, frame: Any, event: str, _: Any) -> None:
        if event == "call":
            code = frame.f_code
            if id(code) not in self.codes:
                self.codes[id(code)] = code, str(frame.f_globals.get("__name__"))

    def __contains__(self, code: CodeType) -> bool:
        return id(code) in self.codes

    def of_users(self) -> set[int]:
        """The `id`s of the code that is neither PyTorch's nor flopsight's nor of the standard library."""
        return {key for key, (code, module) in self.codes.items() if not _is_known(code.co_filename, module)}


def _is_known(file: str, module: str) -> bool:
    if file.startswith("<"):
        return file.startswith("<frozen ") or module.startswith(_MADE)
    return file.startswith((HERE, TORCH)) or (file.startswith(_STANDARD) and not file.startswith(_SITES))
