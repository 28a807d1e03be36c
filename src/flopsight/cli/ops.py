"""`flopsight ops`."""

from __future__ import annotations

import argparse

from flopsight.cli import Command
from flopsight.cli._listing import print_listing
from flopsight.errors import InputError, near
from flopsight.formulas.registry import load_formulas


class Ops(Command):
    """List the operators flopsight has a formula for, with the equation and its source; needs no PyTorch."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        parser.add_argument("filter", nargs="?", default="", metavar="FILTER", help="a part of an operator or family")

    def run(self, options: argparse.Namespace) -> int:
        """Print the table."""
        known = list(load_formulas())
        found = [formula for formula in known if options.filter in formula.operator or options.filter in formula.family]
        if not found:
            names = [formula.operator.partition("::")[2] for formula in known]
            raise InputError(f"There is no formula for {options.filter!r}.{near(options.filter, names)}")
        print_listing(
            ("operator", "family", "equation", "source"),
            ((formula.operator, formula.family, formula.equation, formula.source) for formula in found),
        )
        return 0
