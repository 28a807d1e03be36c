"""Options for the formats of a table, and the writing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flopsight.errors import InputError
from flopsight.views.grid import FORMATS

STDOUT = "-"
_TEXT = "text"


def add_columns(parser: argparse.ArgumentParser, usual: tuple[str, ...]) -> None:
    """Add the option that says which columns there are."""
    from flopsight.views import columns

    among = ", ".join(columns.names())
    parser.add_argument("--columns", type=names, default=usual, metavar="A,B,...", help=f"from: {among}")


def add_formats(parser: argparse.ArgumentParser) -> None:
    """Add an option for each format."""
    formats = parser.add_argument_group("formats, to FILE or instead of the table")
    for name, render in FORMATS.items():
        if name != _TEXT:
            summary = (render.__doc__ or "").strip().rstrip(".").lower()
            formats.add_argument(f"--{name}", nargs="?", const=STDOUT, metavar="FILE", help=summary)


def check_formats(options: argparse.Namespace) -> None:
    """Find files that cannot be written before a model is built. Raises: InputError."""
    for target in _chosen(options).values():
        if target != STDOUT:
            check_folder(target)


def check_folder(target: str) -> None:
    """Refuse a file in a folder that is not there. Raises: InputError."""
    if not Path(target).resolve().parent.is_dir():
        raise InputError(f"{target} cannot be written: there is no folder {Path(target).parent}.")


def show_formats(options: argparse.Namespace, render: Callable[[str], str]) -> None:
    """Print or write what `render` makes of each format asked for; the text, if none goes to standard output.

    Raises: InputError.
    """
    chosen = _chosen(options)
    for name, target in chosen.items():
        if target == STDOUT:
            sys.stdout.write(render(name))
        else:
            with writing(target):
                Path(target).write_text(render(name), encoding="utf-8")
    if STDOUT not in chosen.values():
        sys.stdout.write(render(_TEXT))


@contextmanager
def writing(target: str | os.PathLike[str]) -> Iterator[None]:
    """Inside, a file is written. Raises: InputError where it cannot be."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}.") from error


def names(text: str) -> list[str]:
    """Names between commas, as argparse wants them."""
    return [name.strip() for name in text.split(",")]


def _chosen(options: argparse.Namespace) -> dict[str, str]:
    return {name: target for name in FORMATS if (target := getattr(options, name, None)) is not None}
