"""The processes that measure models, below this one."""

from __future__ import annotations

import psutil


def measuring(*, anywhere_below: bool = False) -> list[psutil.Process]:
    """Those that this process started, or also those of the workers that it started."""
    found = []
    for process in psutil.Process().children(recursive=anywhere_below):
        try:
            if "flopsight.sweeping.child" in process.cmdline():
                found.append(process)
        except psutil.Error:  # it has just ended
            continue
    return found
