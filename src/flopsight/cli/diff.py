"""`flopsight diff OLD NEW`."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from flopsight.cli import Command, _formats, _model, _several, _values
from flopsight.cli._apart import Place, run_apart
from flopsight.comparing.changes import diff
from flopsight.comparing.revisions import Range, Repository, read_range
from flopsight.profiles import Profile
from flopsight.views.diff import COLUMNS, TOP, chosen, render


class Diff(Command):
    """What changed from one model to another, module by module.

    OLD and NEW are saved profiles (.json, .json.gz) or models; or OLD is two git revisions, main..HEAD, and NEW the
    model that is measured at both, each in a process of its own. With nothing after the dots, as HEAD.., the second are
    the files as they are. The repository is left as it is. The exit code is 1 if something changed.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        parser.add_argument("old", metavar="OLD", help="a saved profile, a model, or REVISION..REVISION")
        parser.add_argument("new", metavar="NEW", help="a saved profile or a model")
        _model.add_run(parser)
        _formats.add_columns(parser, COLUMNS)
        parser.add_argument(
            "--top", type=_values.positive, default=TOP, metavar="N", help=f"changes to list (default: {TOP})"
        )
        _formats.add_formats(parser)

    def run(self, options: argparse.Namespace) -> int:
        """Measure and show."""
        chosen(options.columns)
        _formats.check_formats(options)
        _model.check(options)
        revisions = read_range(options.old)
        if revisions is None:
            addresses = [options.old, options.new]
            profiles = [measure() for measure in _several.measure(_several.each(options, addresses))]
        else:
            profiles, addresses = at_revisions(options, revisions)
        found = diff(*profiles)
        told = [f"{profile.model} ({name})" for profile, name in zip(profiles, addresses, strict=True)]
        _formats.show_formats(options, partial(render, found, columns=options.columns, top=options.top, names=told))
        return 1 if found.changed else 0


def at_revisions(options: argparse.Namespace, revisions: Range) -> tuple[list[Profile], list[str]]:
    """The model at each of two revisions, and what these are called. Raises: FlopsightError."""
    repository = Repository.around(Path.cwd())
    old, new = revisions.old, revisions.new
    if revisions.from_fork:
        old = repository.fork(old, new or "HEAD")
    named = [old[:12] if revisions.from_fork else old, new or "the working tree"]
    (given,) = _several.each(options, [options.new])
    with ExitStack() as trees:
        places = [Place(named[0], repository.root, trees.enter_context(repository.checked_out(old)))]
        tree = None if new is None else trees.enter_context(repository.checked_out(new))
        places.append(Place(named[1], repository.root, tree))
        return run_apart(given, places), [f"{options.new} at {name}" for name in named]
