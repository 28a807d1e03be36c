"""The run that is active in a thread, and the line of the user's code it is at."""

from __future__ import annotations

import linecache
import os
import sys
import threading
from pathlib import Path
from typing import Any, Protocol

import torch

from flopsight.errors import NeedsValuesError

HERE = f"{Path(__file__).parent.parent}{os.sep}"
TORCH = f"{Path(torch.__file__).parent}{os.sep}"
_CHECKPOINT = "torch/utils/checkpoint.py"
THREAD = threading.local()


class Run(Protocol):
    """A run as seen from inside it."""

    def describe(self) -> str:
        """The current module, to begin a sentence with."""


def active() -> Any:
    """The innermost run of this thread, or None."""
    return getattr(THREAD, "run", None)


def activate(run: Run | None) -> None:
    """Make `run` the innermost of this thread."""
    THREAD.run = run


def in_checkpoint() -> bool:
    """Whether the code that is running was called by `torch.utils.checkpoint`."""
    return called_by(_CHECKPOINT)


def called_by(file: str) -> bool:
    """Whether a function in a file whose path ends so is running."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.endswith(file):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def caller() -> tuple[str, str]:
    """The file, if PyTorch's from its folder on, and the name of the innermost function that is not flopsight's."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    if frame is None:
        return "", ""
    return frame.f_code.co_filename.removeprefix(TORCH).replace(os.sep, "/"), frame.f_code.co_name


def caller_is_ours() -> bool:
    """Whether the function that called the caller is flopsight's."""
    return sys._getframe(2).f_code.co_filename.startswith(HERE)


def user_line() -> str:
    """`file:line: code` of the innermost frame that is neither PyTorch's nor flopsight's; empty if there is none."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((HERE, TORCH, "<frozen")):
            code = linecache.getline(name, frame.f_lineno).strip()
            return f"{name}:{frame.f_lineno}" + (f": {code}" if code else "")
        frame = frame.f_back
    return ""


def current_place() -> str:
    """The current module and the user's line, to begin a sentence with."""
    run: Run | None = active()
    line = user_line()
    return (run.describe() if run is not None else "Code") + (f" at {line}" if line else "")


def needs_values(what: str, *, selects: bool = False) -> NeedsValuesError:
    """The error for code that wants the values of a fake tensor; names the module and the user's line.

    selects: whether they decide no more than how many elements are taken, which can be assumed.
    """
    assume = (
        ", or proposals=1000 to assume that so many elements are taken wherever values decide it" if selects else ""
    )
    return NeedsValuesError(
        f"{current_place()} needs the values of a tensor ({what}), but nothing is computed in this run; "
        f"pass execute=True to run the model with real tensors and count the same{assume}."
    )
