"""Functions that make models, for another process: defined inside functions, they are sent whole, not by their name."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from pathlib import Path

from torch import nn

WIDTHS = tuple(range(1, 9))

Factory = Callable[[], nn.Module]


def linear(width: int, *, after_s: float = 0.0, after: Path | None = None, noting: Path | None = None) -> Factory:
    """A layer of 3 x width weights, made when a file is there; each time it is made is noted in a file."""

    def make() -> nn.Module:
        time.sleep(after_s)
        while after is not None and not after.exists():
            time.sleep(0.01)
        if noting is not None:
            with noting.open("a") as file:
                file.write(f"{width}\n")
        return nn.Linear(3, width, bias=False)

    return make


def hangs(marker: Path | None = None) -> Factory:
    """Sleeps in C and lets no other thread of Python run; the marker is made before."""

    def make() -> nn.Module:
        if marker is not None:
            marker.touch()
        ctypes.PyDLL(None).sleep(1000)
        return nn.Identity()

    return make


def fills_memory(size_bytes: int) -> Factory:
    def make() -> nn.Module:
        return nn.Linear(3, len(bytearray(size_bytes)))

    return make


def dies(marker: Path | None = None) -> Factory:
    """Ends its process; with a marker, the first time only."""

    def make() -> nn.Module:
        if marker is None or not marker.exists():
            if marker is not None:
                marker.touch()
            os.kill(os.getpid(), 9)
        return nn.Linear(3, 1, bias=False)

    return make


def raises() -> Factory:
    def make() -> nn.Module:
        raise ValueError("no such width")

    return make
