"""Options that say how to show a profile, and the showing."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flopsight import conventions, views
from flopsight.cli._formats import STDOUT, check_folder, writing
from flopsight.cli._values import positive
from flopsight.closed_form import ClosedForm
from flopsight.errors import InputError

if TYPE_CHECKING:
    from flopsight.profiles import Profile


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options of a table, and one for each format."""
    from flopsight.views.columns import names
    from flopsight.views.table import GROUPINGS

    shown = parser.add_argument_group("what to show")
    shown.add_argument("--module", default="", metavar="PATH", help="only this module and all below it")
    shown.add_argument("--by", default="module", choices=GROUPINGS, help="what a row is (default: module)")
    shown.add_argument("--depth", type=int, metavar="N", help="levels of modules (default: as many as fit)")
    shown.add_argument("--sort", default="model", metavar="COLUMN", help="largest first (default: the model's order)")
    shown.add_argument("--top", type=positive, metavar="N", help="the N largest rows by --sort, or by share")
    shown.add_argument("--only", metavar="PATTERN", help="only modules with paths like 'layer3.*'")
    shown.add_argument("--flat", action="store_true", help="no tree: a row for each module with none below it")
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
        target = getattr(options, name, None)
        if target not in (None, STDOUT):
            check_folder(target)


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
        "only": options.only,
        "flat": options.flat,
        "top": options.top,
    }
    chosen = {name: target for name in views.names() if (target := getattr(options, name, None)) is not None}
    for name, target in chosen.items():
        write(target, name, views.get(name).render(profile, **layout), profile)
    if STDOUT not in chosen.values():
        print_table(profile, layout)


def _show_formulas(form: ClosedForm, options: argparse.Namespace) -> None:
    """Print a closed form, or write it as JSON. Raises: InputError for what is made of numbers."""
    wanted = [f"--{name}" for name in views.names() if name not in ("text", "json") and getattr(options, name, None)]
    wanted += [
        f"--{name}" for name in ("depth", "columns", "count", "top", "only") if getattr(options, name) is not None
    ]
    wanted += ["--by"] * (options.by != "module") + ["--sort"] * (options.sort != "model") + ["--flat"] * options.flat
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
    """Write what a view made of a profile to a file, or print it. Raises: InputError."""
    if target == STDOUT:
        sys.stdout.write(text)
        return
    with writing(target):
        if view == "json":
            profile.save(target)
        else:
            Path(target).write_text(text, encoding="utf-8")


def print_table(profile: Profile, layout: dict[str, Any]) -> None:
    """Print the table; to a terminal as wide as that is, in colour, with bars and a hint at what else can be asked."""
    terminal = sys.stdout.isatty()
    color = terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    sys.stdout.write(views.get("text").render(profile, color=color, bars=terminal, **layout))
    if terminal:
        sys.stdout.write(f"\n{_hint(layout, shutil.get_terminal_size().columns)}\n")


_HINTS = {
    "by": "--by operator", "top": "--top 10", "only": "--only 'PATTERN'", "depth": "--depth N", "flat": "--flat",
}  # fmt: skip


def _hint(layout: dict[str, Any], width: int) -> str:
    """What else can be asked, in one line: as much of it as fits."""
    from flopsight.views.table import Layout

    usual = vars(Layout())
    options = [option for name, option in _HINTS.items() if layout.get(name, usual[name]) == usual[name]]
    options += ["--csv FILE", "--html FILE"]
    while len(hint := f"Also: {', '.join([*options, '--help'])}") > width and options:
        options.pop()
    return hint
