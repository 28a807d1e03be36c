"""The process that measures models: reads tasks from its input and answers each with a row (`python -m`).

`flopsight.sweeping.host` starts it, and kills it where a model takes too long. It ends when its input does, or when it
has had nothing to do for a while, for the workers of an engine stay when a sweep is over.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import pickle
import re
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from flopsight.errors import out_of_memory
from flopsight.sweeping import rows
from flopsight.sweeping.rows import Row
from flopsight.sweeping.task import Task
from flopsight.units import printable, shortened

if TYPE_CHECKING:
    from flopsight.sources import Workload

READY = "ready"
IDLE_LIMIT_S = 60.0
_LONGEST_REASON = 300
_GRACE_S = 5.0


def measure(task: Task) -> Row:
    """The row of a model. Whatever the model raises is the reason in it."""
    from flopsight.tracing.tracer import profile

    _load(task.versions)
    start = time.perf_counter()
    try:
        with _memory_limit(task.memory_limit_bytes):
            workload = _workload(task)
            built = time.perf_counter()
            with workload.doubted():
                record = profile(workload.model, workload.args, kwargs=workload.kwargs, proposals=task.proposals)
            return Row.of(task.name, record, build_s=built - start, count_s=time.perf_counter() - built)
    except Exception as error:
        status = rows.OUT_OF_MEMORY if out_of_memory(error) else rows.FAILED
        return Row(task.name, status, _reason(error))


def _reason(error: Exception) -> str:
    """The error in one line that is the same wherever libraries are installed."""
    text = re.sub(r"\S*[/\\]site-packages[/\\]", "", f"{type(error).__name__}: {error}")
    return shortened(printable(" ".join(text.split())), _LONGEST_REASON)


def _load(libraries: Iterable[str]) -> None:
    """Import libraries, so that the time of the first model is not that."""
    from flopsight.sources._importable import libraries_importable

    with libraries_importable():
        for library in libraries:
            with suppress(ImportError):  # where it is missing, the source says so
                importlib.import_module(library)


def _workload(task: Task) -> Workload:
    from flopsight.sources import Request, Workload, resolve

    made = resolve(task.name) if task.factory is None else Request(task.name).make(pickle.loads(task.factory))
    workload = made if isinstance(made, Workload) else Workload(made, None, {}, task.name)
    if task.inputs is None and workload.args is None and task.factory is None:
        raise workload.lacks()
    if task.inputs is None:
        return workload
    return Workload(workload.model, pickle.loads(task.inputs), {}, workload.name)


@contextmanager
def _memory_limit(limit_bytes: int | None) -> Iterator[None]:
    """Let this process hold so many bytes of data, libraries' included, where the system sees to that (Linux)."""
    if limit_bytes is None or not sys.platform.startswith("linux"):
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = limit_bytes if hard == resource.RLIM_INFINITY else min(limit_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def _own_time_limit(limit_s: float | None, errors: BinaryIO) -> Iterator[None]:
    """End this process where whoever started it, and should have killed it in time, is there no more."""
    if limit_s is None:
        yield
        return
    faulthandler.dump_traceback_later(limit_s + _GRACE_S, exit=True, file=errors)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def main() -> None:
    """Answer until the input ends. What models print goes nowhere."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever pressed Ctrl-C ends the sweep, and that this process
    tasks = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
        import flopsight.tracing.tracer  # noqa: F401  torch is loaded before the time of a model begins

        _answer(answers, READY)
        while True:
            tired = threading.Timer(IDLE_LIMIT_S, os._exit, (0,))
            tired.start()
            try:
                task = pickle.load(tasks)
            except EOFError:
                return
            finally:
                tired.cancel()
            with _own_time_limit(task.time_limit_s, nothing):
                row = measure(task)
            _answer(answers, row)


def _answer(answers: BinaryIO, what: Row | str) -> None:
    pickle.dump(what, answers)
    answers.flush()


if __name__ == "__main__":
    main()
