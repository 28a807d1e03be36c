"""`flopsight migrate PATH`."""

from __future__ import annotations

import argparse

from flopsight.cli import Command
from flopsight.migrate import migrate
from flopsight.units import printable


class Migrate(Command):
    """List the imports and calls of thop, ptflops and the other tools in a code base, and what to write instead.

    Calls stay as they are; flopsight.compat has thop, torchstat, flopth, ptflops, fvcore.nn and torchinfo.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        parser.add_argument("path", metavar="PATH", help="a Python file, or a folder")
        parser.add_argument("--write", action="store_true", help="edit the import lines; nothing else is changed")

    def run(self, options: argparse.Namespace) -> int:
        """Print the list."""
        found = str(migrate(options.path, write=options.write))
        print("\n".join(map(printable, found.split("\n"))))
        return 0
