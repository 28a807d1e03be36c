"""Whether other threads of the user's ran beside a run, or only waited; and what they may be importing meanwhile."""

from __future__ import annotations

import queue
import selectors
import sys
import threading
from concurrent.futures import thread as pool
from types import FrameType
from typing import Any

import torch

_WAITS = {module.__file__ for module in (threading, queue, selectors, pool)}
_TORCH = torch.__path__[0]
_PROGRESS_BARS = "tqdm._monitor"
"""Where the class of a thread is from that wakes now and then to look at progress bars, and draws no numbers."""


class OtherThreads:
    """The threads that there are beside this one, and where each of them is."""

    def __init__(self) -> None:
        frames = _frames() if threading.active_count() > 1 else {}
        self._at = {ident: (frame, frame.f_lasti) for ident, frame in frames.items()}

    def ran(self) -> bool:
        """Whether one of them may have run since: all but those that waited for work, and still do, in one call.

        A thread of PyTorch's own (one that reads what its compiling processes write) waits in calls of the system.
        Threads begun since are the run's own work, unless others ran.
        """
        if not self._at:
            return False
        now = _frames()
        return any(
            now.get(ident) is not frame or frame.f_lasti != at or not _waits(frame)
            for ident, (frame, at) in self._at.items()
        )


def _waits(frame: FrameType) -> bool:
    if frame.f_code.co_filename in _WAITS:
        return True
    around = [frame.f_code.co_filename]
    while (outer := frame.f_back) is not None:
        frame = outer
        around.append(frame.f_code.co_filename)
    return all(file == threading.__file__ or file.startswith(_TORCH) for file in around)


def _frames() -> dict[int, FrameType]:
    """The innermost frame of every other thread; that of this one would be held by what it holds."""
    frames = sys._current_frames()
    del frames[threading.get_ident()]
    known = {thread.ident for thread in threading.enumerate() if type(thread).__module__ != _PROGRESS_BARS}
    return {ident: frame for ident, frame in frames.items() if ident in known}


def numpy_random() -> Any:
    """The module `numpy.random` where somebody has imported it; not while another thread still does."""
    module = sys.modules.get("numpy.random")
    return None if module is None or getattr(module.__spec__, "_initializing", False) else module
