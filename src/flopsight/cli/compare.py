"""`flopsight compare MODEL...`."""

from __future__ import annotations

import argparse
from functools import partial

from flopsight.cli import Command, _formats, _model, _several
from flopsight.comparing.rows import compared, compared_rows
from flopsight.views.comparison import COLUMNS, chosen, render


class Compare(Command):
    """What several models cost, a row each.

    MODEL is as for flopsight MODEL, or a saved profile (.json, .json.gz). The options hold for all that are measured. A
    model that cannot be measured has the reason in its row, and the exit code is 1 then.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        parser.add_argument("models", metavar="MODEL", nargs="+", help="torchvision:NAME, path/to/net.py:NAME, a file")
        _model.add_run(parser)
        _formats.add_columns(parser, COLUMNS)
        _formats.add_formats(parser)

    def run(self, options: argparse.Namespace) -> int:
        """Measure and show."""
        chosen(options.columns)
        _formats.check_formats(options)
        _model.check(options)
        measured = zip(options.models, _several.measure(_several.each(options, options.models)), strict=True)
        comparison = compared_rows([compared(name, measure) for name, measure in measured], options.columns)
        _formats.show_formats(options, partial(render, comparison))
        return 1 if comparison.failed else 0
