"""`flopsight zoo LIBRARY... --out FILE`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from flopsight.cli import Command, _values
from flopsight.errors import InputError, near
from flopsight.sweeping import COUNTED, MEMORY_LIMIT_BYTES, TIME_LIMIT_S, Row, summary, sweep
from flopsight.units import exact, size

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from flopsight.sources import Source

_UNITS = {"MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_NO_LIMIT = "none"


class Zoo(Command):
    """A table of every model of whole libraries, a row each.

    LIBRARY is torchvision, timm or transformers. A model that cannot be counted has the reason in its row, and the exit
    code is 0 when the table is written; with --strict it is 1 if a model was not counted. Interrupted, the same command
    goes on where it was: until the table is done, its rows are in FILE.journal.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        parser.add_argument("library", metavar="LIBRARY", nargs="+", help="whose models to count")
        parser.add_argument("--out", required=True, metavar="FILE", help="the table: .csv, .json, .jsonl or .md")
        parser.add_argument(
            "--only", action="append", metavar="PATTERN", help="names like 'vit*' alone; once for each pattern"
        )
        parser.add_argument("--workers", type=_values.positive, metavar="N", help="processes at a time (default: all)")
        parser.add_argument(
            "--executor", metavar="ENGINE", help="dask:ADDRESS or ray:ADDRESS, in place of processes on this machine"
        )
        parser.add_argument(
            "--time-limit",
            type=_seconds,
            default=TIME_LIMIT_S,
            metavar="SECONDS",
            help=f"for each model, or {_NO_LIMIT} (default: {TIME_LIMIT_S:g})",
        )
        parser.add_argument(
            "--memory-limit",
            type=_bytes,
            default=MEMORY_LIMIT_BYTES,
            metavar="SIZE",
            help=f"for each model: 512MiB, 8GiB or {_NO_LIMIT} (default: {size(MEMORY_LIMIT_BYTES, 0)})",
        )
        parser.add_argument(
            "--proposals", type=_values.positive, metavar="N", help="boxes of a detection model, where values decide"
        )
        parser.add_argument("--strict", action="store_true", help="exit with 1 if a model was not counted")

    def run(self, options: argparse.Namespace) -> int:
        """Count, write the table, and say what became of the models."""
        if options.executor and options.workers:
            raise InputError("--workers is for processes on this machine; leave it out with --executor.")
        models = [address for library in options.library for address in _models(library, options.only)]
        if not models:
            raise InputError(f"No model is named like {' or '.join(map(repr, options.only))}.")
        with _executor(options.executor) as executor, _progress(len(models)) as tell:
            rows = sweep(
                models,
                executor=executor,
                workers=options.workers,
                time_limit_s=options.time_limit,
                memory_limit_bytes=options.memory_limit,
                proposals=options.proposals,
                out=options.out,
                on_row=tell,
            )
        print("\n".join([*summary(rows), f"table: {options.out}"]))
        return 1 if options.strict and any(row.status != COUNTED for row in rows) else 0


def _models(library: str, patterns: list[str] | None) -> list[str]:
    """The addresses of a library's models."""
    from flopsight.sources import models_of

    source = _source(library)
    return [
        f"{source.prefix}:{name}"
        for name in models_of(source)
        if not patterns or any(fnmatch(name, p) for p in patterns)
    ]


def _source(library: str) -> Source:
    from flopsight.sources import by_scheme

    source = by_scheme().get(library)
    if source is None:
        raise InputError(f"{library!r} is none of {', '.join(by_scheme())}.{near(library, list(by_scheme()))}")
    return source


def _executor(text: str | None) -> AbstractContextManager[Executor | None]:
    if text is None:
        return nullcontext()
    from flopsight.sweeping.executors import connected

    return connected(text)


@contextmanager
def _progress(models: int) -> Iterator[Callable[[Row], None] | None]:
    """A bar on the terminal, where a person watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=models)
        others = 0

        def tell(row: Row) -> None:
            nonlocal others
            others += row.status != COUNTED
            bar.update(task, advance=1, description=f"{exact(others)} not counted" if others else "")

        yield tell


def _seconds(text: str) -> float | None:
    if text == _NO_LIMIT:
        return None
    if not re.fullmatch(r"\d+(\.\d+)?", text) or not float(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0, nor {_NO_LIMIT}")
    return float(text)


def _bytes(text: str) -> int | None:
    if text == _NO_LIMIT:
        return None
    read = re.fullmatch(rf"(\d+(?:\.\d+)?) ?({'|'.join(_UNITS)})", text)
    if not read or not float(read[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 512MiB or 8GiB, or {_NO_LIMIT}")
    return int(float(read[1]) * _UNITS[read[2]])
