"""Whether other threads of the user's ran beside a run, or only waited."""

from __future__ import annotations

import queue
import selectors
import sys
import threading
from concurrent.futures import thread as pool
from types import FrameType

_WAITS = {module.__file__ for module in (threading, queue, selectors, pool)}


class OtherThreads:
    """The threads that there are beside this one, and where each of them is."""

    def __init__(self) -> None:
        self._at: dict[int, tuple[FrameType, int]] = {}
        if threading.active_count() > 1:
            frames = sys._current_frames()
            own = threading.get_ident()
            others = [ident for thread in threading.enumerate() if (ident := thread.ident) in frames and ident != own]
            self._at = {ident: (frames[ident], frames[ident].f_lasti) for ident in others if ident is not None}

    def ran(self) -> bool:
        """Whether one of them may have run since: all but those that waited for work, and still do, in one call.

        Threads begun since are the run's own work, unless others ran.
        """
        if not self._at:
            return False
        now = sys._current_frames()
        return any(
            now.get(ident) is not frame or frame.f_lasti != at or frame.f_code.co_filename not in _WAITS
            for ident, (frame, at) in self._at.items()
        )
