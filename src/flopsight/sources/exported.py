"""`path/to/model.pt2`: a program saved by `torch.export.save`, on the inputs that it was exported with."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flopsight.errors import InputError
from flopsight.sources import Request, Source, Workload


def build(request: Request) -> Workload:
    """The program, and its example inputs where the file holds them."""
    import torch.export

    request.refuse_unused(())

    path = Path(request.address)
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    if request.arguments or request.train:
        raise InputError(f"{path} is a program that is exported already: it takes no arguments and no other mode.")
    try:
        with _quiet():
            program = torch.export.load(path)
    except Exception as error:
        raise InputError(f"{path} cannot be read as a program of torch.export: {_first_line(error)}") from error
    args, kwargs = program.example_inputs or (None, {})
    return Workload(program.module(), args, dict(kwargs), request.address)


@contextmanager
def _quiet() -> Iterator[None]:
    """PyTorch logs a traceback of each format that it tries in vain, and warns of how it reads; its error says it."""
    log = logging.getLogger("torch.export")
    before, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = before


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


SOURCE = Source(
    "", "path/to/model.pt2", "a program saved by torch.export", build, claims=lambda text: text.endswith(".pt2")
)
