"""`flopsight explain MODEL A B`."""

from __future__ import annotations

import argparse
import sys

from flopsight import conventions
from flopsight.cli import Command, _model


class Explain(Command):
    """Show why conventions disagree about a model: what each counts, part by part."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        _model.add_model(parser)
        parser.add_argument(
            "conventions",
            nargs="*",
            metavar="CONVENTION",
            help=f"from: {', '.join(conventions.names())} (default: all)",
        )

    def run(self, options: argparse.Namespace) -> int:
        """Measure and compare."""
        compared = list(map(conventions.get, options.conventions))
        sys.stdout.write(f"{_model.run_model(options).explain(*compared)}\n")
        return 0
