"""`flopsight conventions`."""

from __future__ import annotations

import argparse

from flopsight import conventions
from flopsight.cli import Command
from flopsight.cli._listing import print_listing


class Conventions(Command):
    """List the ways of counting that --count knows, and what each counts."""

    def run(self, options: argparse.Namespace) -> int:
        """Print the table."""
        known = map(conventions.get, conventions.names())
        print_listing(("name", "unit", "what counts"), ((item.name, item.unit, item.summary) for item in known))
        return 0
