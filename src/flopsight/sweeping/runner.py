"""`sweep`: the rows of many models."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from flopsight.errors import FlopsightError, InputError
from flopsight.sources import by_scheme
from flopsight.sources._optional import require
from flopsight.sweeping import host, rows
from flopsight.sweeping.journal import journal
from flopsight.sweeping.rows import Row
from flopsight.sweeping.task import ALWAYS, Task, versions
from flopsight.units import printable, shortened

TIME_LIMIT_S = 300.0
MEMORY_LIMIT_BYTES = 8 * 2**30

Models = Iterable[str] | Mapping[str, Callable[[], Any]]


def sweep(
    models: Models,
    inputs: Any = None,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    time_limit_s: float | None = TIME_LIMIT_S,
    memory_limit_bytes: int | None = MEMORY_LIMIT_BYTES,
    proposals: int | None = None,
    out: str | os.PathLike[str] | None = None,
    on_row: Callable[[Row], None] | None = None,
) -> list[Row]:
    """A row for each model, in the order of the models. A model that cannot be counted has the reason in its row.

    models: addresses (`"torchvision:resnet50"`), or by name functions that make a model (classes, `functools.partial`),
        which are called without weights in another process. One that returns a `flopsight.sources.Workload` says what
        its model is run on.
    inputs: what every model is run on, as `flopsight.profile` takes them; None for what is known of each.
    executor: any `concurrent.futures.Executor`; by default processes on this machine. It says where models are
        measured and how many at a time; the measuring is done in processes that its workers start.
    workers: how many processes at a time, where no executor is given; one for each processor if None.
    time_limit_s, memory_limit_bytes: what one model may take; its process is killed after the time. The memory is that
        of the whole process, PyTorch included, and is limited on Linux alone. None is no limit.
    proposals: elements taken where values decide how many, as for `flopsight.profile`; the reason in a row says so.
    out: a file for the table, `.csv`, `.json`, `.jsonl` or `.md`. While the sweep is under way, its rows are in a
        journal beside it, and a sweep with the same `out` takes what it finds there: rows are taken by name.
    on_row: called with each row as it comes, those found in the journal first.

    A model whose worker dies is tried once again. Raises: InputError, MissingLibraryError.
    """
    tasks = _tasks(models, inputs, time_limit_s, memory_limit_bytes, proposals)
    tell = on_row or (lambda row: None)
    with journal(None if out is None else Path(out), _settings(tasks, inputs)) as kept:
        left = []
        for task in tasks:
            if task.name in kept.rows:
                tell(kept.rows[task.name])
            else:
                left.append(task)
        with closing(_rows(left, executor, workers)) as coming:
            for row in coming:
                kept.add(row)
                tell(row)
        return kept.finish([task.name for task in tasks])


def _tasks(
    models: Models, inputs: Any, time_limit_s: float | None, memory_limit_bytes: int | None, proposals: int | None
) -> list[Task]:
    models = [models] if isinstance(models, str) else models
    factories: Mapping[str, Callable[[], Any] | None]
    factories = models if isinstance(models, Mapping) else dict.fromkeys(names := list(models))
    if not isinstance(models, Mapping) and len(factories) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{twice!r} is there twice; a row is known by its name, so name each model once.")
    for name, factory in factories.items():
        if not isinstance(name, str) or not (factory is None or callable(factory)):
            raise InputError(
                f"{name!r} is no model: give addresses ('torchvision:resnet50'), or a dict of names and functions that "
                "make a model."
            )
    prefixes = {name.partition(":")[0] for name, factory in factories.items() if factory is None}
    needed = versions([*ALWAYS, *sorted({by_scheme()[prefix].prefix for prefix in prefixes & by_scheme().keys()})])
    given = None if inputs is None else _pickled(inputs)
    return [
        Task(name, None if make is None else _pickled(make), given, time_limit_s, memory_limit_bytes, proposals, needed)
        for name, make in factories.items()
    ]


def _pickled(value: Any) -> bytes:
    """A function or inputs as bytes, also where they are defined in a script or a notebook."""
    cloudpickle = require("cloudpickle", use="A sweep over models of your own", install="'flopsight[sweep]'")
    try:
        pickled: bytes = cloudpickle.dumps(value)
    except Exception as error:
        raise InputError(
            f"{value!r} cannot be sent to another process: {error}. Give a function that makes the model there."
        ) from error
    return pickled


def _settings(tasks: list[Task], inputs: Any) -> dict[str, Any]:
    """What rows of one table have in common."""
    if not tasks:
        raise InputError("There is no model to sweep over; give at least one.")
    first = tasks[0]
    limits = {"time limit": first.time_limit_s, "memory limit": first.memory_limit_bytes, "proposals": first.proposals}
    return {**first.versions, **limits, "inputs": None if inputs is None else repr(inputs)}


def _rows(tasks: list[Task], executor: Executor | None, workers: int | None) -> Generator[Row, None, None]:
    """A row for each task, as they come."""
    with _local(executor, workers) as chosen:
        done: queue.SimpleQueue[tuple[Task, Future[Row]]] = queue.SimpleQueue()
        pending: set[Future[Row]] = set()

        def submit(task: Task) -> None:
            try:
                future = chosen.submit(host.run, task)
            except RuntimeError as error:  # a pool that is broken or shut down
                raise InputError(
                    f"The executor takes no more models: {error}. Begin again with another executor and, to go on "
                    "where this one stopped, the same `out`."
                ) from error
            pending.add(future)
            future.add_done_callback(lambda finished: done.put((task, finished)))

        tried: set[str] = set()
        try:
            for task in tasks:
                submit(task)
            while pending:
                task, future = done.get()
                pending.discard(future)
                row = _row(task, future)
                if row.status == rows.DIED and task.name not in tried:
                    tried.add(task.name)
                    submit(task)
                else:
                    yield row
        finally:
            for future in pending:
                future.cancel()
            host.stop()


@contextmanager
def _local(executor: Executor | None, workers: int | None) -> Iterator[Executor]:
    """The executor given, or threads that each mind a process."""
    if executor is not None:
        yield executor
        return
    try:
        with ThreadPoolExecutor(workers or processors()) as own:
            yield own
    finally:
        host.stop()  # what was measuring when its sweep was interrupted, and waits now


def processors() -> int:
    """How many processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def _row(task: Task, future: Future[Row]) -> Row:
    """What a worker answered, or that it died. Raises: InputError, if none of its kind can measure."""
    try:
        return future.result()
    except FlopsightError:
        raise
    except ImportError as error:
        raise InputError(f"A worker of the executor cannot measure: {error}. Install flopsight there.") from error
    except (Exception, CancelledError) as error:  # each engine has its own, for a worker that is lost
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return Row(task.name, rows.DIED, shortened(printable(text), 300))
