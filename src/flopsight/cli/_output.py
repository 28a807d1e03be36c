"""Options that say how to show a profile, and the showing."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flopsight import conventions, views
from flopsight.closed_form import ClosedForm
from flopsight.errors import InputError

if TYPE_CHECKING:
    from flopsight.profiles import Profile

STDOUT = "-"


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options of a table, and one for each format."""
    from flopsight.views.columns import names
    from flopsight.views.table import GROUPINGS

    shown = parser.add_argument_group("what to show")
    shown.add_argument("--module", default="", metavar="PATH", help="only this module and all below it")
    shown.add_argument("--by", default="module", choices=GROUPINGS, help="what a row is (default: module)")
    shown.add_argument("--depth", type=int, metavar="N", help="levels of modules (default: as many as fit)")
    shown.add_argument("--sort", default="model", metavar="COLUMN", help="largest first (default: the model's order)")
    shown.add_argument("--columns", metavar="A,B,...", help=f"from: {', '.join(names())}")
    shown.add_argument("--count", metavar="CONVENTION", help=f"one of: {', '.join(conventions.names())}")
    formats = parser.add_argument_group("formats, to FILE or instead of the table")
    for name in views.names():
        if name != "text":
            formats.add_argument(f"--{name}", nargs="?", const=STDOUT, metavar="FILE", help=views.get(name).summary)


def check(options: argparse.Namespace) -> None:
    """Find mistakes in the options before the model is built. Raises: InputError, ConventionError."""
    from flopsight.views import columns

    for name in [*(_columns(options) or ()), *([] if options.sort == "model" else [options.sort])]:
        if name != "share":
            columns.get(name)
    if options.count is not None:
        conventions.get(options.count)
    for name in views.names():
        if (target := getattr(options, name, None)) is not None:
            check_folder(target)


def check_folder(target: str) -> None:
    """Refuse a file in a folder that is not there. Raises: InputError."""
    if target != STDOUT and not Path(target).resolve().parent.is_dir():
        raise InputError(f"{target} cannot be written: there is no folder {Path(target).parent}.")


def part(profile: Profile, path: str) -> Profile:
    """The profile of the module that an option names; of all without one. Raises: InputError."""
    try:
        return profile[path] if path else profile
    except KeyError as error:
        raise InputError(str(error.args[0])) from error


def show(profile: Profile, options: argparse.Namespace) -> None:
    """Print the profile, or write it, as the options say. Raises: InputError."""
    profile = part(profile, options.module)
    if isinstance(profile, ClosedForm):
        _show_formulas(profile, options)
        return
    layout = {
        "by": options.by,
        "depth": options.depth,
        "sort": options.sort,
        "columns": _columns(options),
        "convention": options.count,
    }
    chosen = {name: target for name in views.names() if (target := getattr(options, name, None)) is not None}
    for name, target in chosen.items():
        write(target, name, views.get(name).render(profile, **layout), profile)
    if STDOUT not in chosen.values():
        print_table(profile, layout)


def _show_formulas(form: ClosedForm, options: argparse.Namespace) -> None:
    """Print a closed form, or write it as JSON. Raises: InputError for what is made of numbers."""
    wanted = [f"--{name}" for name in views.names() if name not in ("text", "json") and getattr(options, name, None)]
    wanted += [f"--{name}" for name in ("depth", "columns", "count") if getattr(options, name) is not None]
    wanted += ["--by"] * (options.by != "module") + ["--sort"] * (options.sort != "model")
    if wanted:
        raise InputError(f"{wanted[0]} is for numbers, and these are formulas; give a number for each size.")
    if options.json not in (None, STDOUT):
        write(options.json, "json", "", form)
    if options.json == STDOUT:
        sys.stdout.write(json.dumps(form.to_dict(), separators=(",", ":")) + "\n")
    else:
        sys.stdout.write(str(form))


def _columns(options: argparse.Namespace) -> list[str] | None:
    return [name.strip() for name in options.columns.split(",")] if options.columns else None


def write(target: str, view: str, text: str, profile: Profile) -> None:
    """Print or write what a view made of a profile. Raises: InputError."""
    if target == STDOUT:
        sys.stdout.write(text)
        return
    with writing(target):
        if view == "json":
            profile.save(target)
        else:
            Path(target).write_text(text, encoding="utf-8")


@contextmanager
def writing(target: str) -> Iterator[None]:
    """Inside, a file is written. Raises: InputError where it cannot be."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}.") from error


def print_table(profile: Profile, layout: dict[str, Any]) -> None:
    """Print the table, in colour and as wide as the terminal if there is one."""
    terminal = sys.stdout.isatty()
    color = terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    sys.stdout.write(views.get("text").render(profile, color=color, **layout))
