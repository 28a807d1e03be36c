"""Processes that measure one model after another, and can be killed: the same on this machine and on an engine's.

Of the pools that know a time limit, pebble's and loky's are processes of `multiprocessing`, which the workers of Dask
may not start, being daemons, and which cannot load what is defined in a notebook. So a worker, whosoever it is, starts
a plain process of its own for each model it measures at a time, and keeps it for the next.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any

from flopsight.errors import InputError
from flopsight.sweeping import rows
from flopsight.sweeping.rows import Row
from flopsight.sweeping.task import Task, versions

START_LIMIT_S = 300.0


class Ended(Exception):
    """The process ended, or was killed, before it answered."""


class Child:
    """A process that measures models (`flopsight.sweeping.child`)."""

    def __init__(self) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flopsight.sweeping.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **threads, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self._started = False
        self._late = False

    def ask(self, task: Task) -> Row:
        """The row of a model. Raises: Ended."""
        if not self._started:
            self._exchange(None, START_LIMIT_S)
            self._started = True
        answer: Row = self._exchange(task, task.time_limit_s)
        return answer

    def _exchange(self, what: Task | None, limit_s: float | None) -> Any:
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        timer = None if limit_s is None else threading.Timer(limit_s, self._kill_late)
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            if what is not None:
                pickle.dump(what, process.stdin)
                process.stdin.flush()
            return pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError, ValueError) as error:
            raise Ended from error
        finally:
            if timer is not None:
                timer.cancel()

    def _kill_late(self) -> None:
        self._late = True
        self._process.kill()

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()

    @property
    def alive(self) -> bool:
        """Whether the process still waits; it does not for ever."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process and wait until it has."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            try:
                stream.close()  # type: ignore[union-attr]
            except BrokenPipeError:  # what was not yet sent has no reader any more
                continue

    def obituary(self, task: Task) -> Row:
        """The row of the model that the process did not live to answer for."""
        code = self._process.wait()
        if self._late and self._started:
            return Row(task.name, rows.TIMED_OUT, f"not done after {task.time_limit_s:g} s")
        self._errors.seek(0)
        printed = self._errors.read().decode(errors="replace").strip().splitlines()
        if printed and any(word in printed[-1] for word in ("bad_alloc", "MemoryError")):
            return Row(task.name, rows.OUT_OF_MEMORY, printed[-1])
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        when = "" if self._started else " before it could begin"
        last = f"; the last it printed was: {printed[-1]}" if printed and (code >= 0 or not self._started) else ""
        return Row(task.name, rows.DIED, f"the process that measured it {how}{when}{last}")


_idle: list[Child] = []  # of this process, for its next models: loading torch takes longer than most models
_busy: set[Child] = set()


def run(task: Task) -> Row:
    """Measure a model in a process of its own. Raises: InputError where libraries have other versions here."""
    here = versions(task.versions)
    for library, wanted in task.versions.items():
        if here[library] != wanted:
            raise InputError(
                f"A worker has {library} {here[library]}, where {wanted} is installed here; install the same version "
                "on both, or figures of two versions would stand in one table."
            )
    child = _child()
    _busy.add(child)
    try:
        row = child.ask(task)
    except Ended:
        row = child.obituary(task)
    finally:
        _busy.discard(child)
    if row.status in (rows.TIMED_OUT, rows.DIED, rows.OUT_OF_MEMORY):
        child.close()
    else:
        _idle.append(child)
    return row


def _child() -> Child:
    while _idle:
        child = _idle.pop()
        if child.alive:
            return child
        child.close()
    return Child()


def stop() -> None:
    """End the processes of this one: those that wait, and those that measure."""
    for child in list(_busy):
        child.kill()
    while _idle:
        _idle.pop().close()
