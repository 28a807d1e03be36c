"""`flopsight models LIBRARY [PATTERN]`."""

from __future__ import annotations

import argparse
import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from flopsight.cli import Command
from flopsight.cli._listing import print_listing
from flopsight.errors import InputError, MissingLibraryError, near

if TYPE_CHECKING:
    from flopsight.sources import Source


class Models(Command):
    """List the models that can be named: `flopsight models timm "vit*"`; without a library, how many each has."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        parser.add_argument("library", nargs="?", metavar="LIBRARY", help="torchvision, timm, transformers, ...")
        parser.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help='of names: "vit*", "*large*"')

    def run(self, options: argparse.Namespace) -> int:
        """Print the names, one a line."""
        from flopsight.sources import by_scheme, models_of, sources

        if options.library is None:
            listed = [source for source in sources() if source.prefix]
            print_listing(
                ("library", "models", "one is named"), ((each.prefix, _count(each), each.form) for each in listed)
            )
            return 0
        source = by_scheme().get(options.library)
        if source is None:
            hint = near(options.library, sorted(by_scheme()))
            raise InputError(f"{options.library!r} is no library of models.{hint}")
        known = models_of(source)
        found = [name for name in known if fnmatchcase(name, options.pattern)]
        if not found:
            hint = near(options.pattern.strip("*"), known)
            raise InputError(f"None of the {len(known)} models of {source.prefix} is named {options.pattern!r}.{hint}")
        sys.stdout.writelines(f"{source.prefix}:{name}\n" for name in found)
        return 0


def _count(source: Source) -> str:
    from flopsight.sources import models_of

    try:
        return str(len(models_of(source)))
    except MissingLibraryError:
        return "not installed"
