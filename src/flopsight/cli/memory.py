"""`flopsight memory MODEL`."""

from __future__ import annotations

import argparse
import sys

from flopsight.cli import Command, _formats, _model, _values


class Memory(Command):
    """What a run, or a training step, takes of memory: its peak, what it is made of, and the largest storages."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        _model.add_model(parser)
        parser.add_argument("--optimizer", metavar="NAME", help="with its step, and its state: adamw, sgd, ...")
        parser.add_argument("--allocator", choices=["cuda"], help="sizes as PyTorch's allocator for it takes them")
        parser.add_argument("--largest", type=_values.positive, default=8, metavar="N", help="storages to list")
        parser.add_argument("--html", metavar="FILE", help="a report that shows the memory too, to FILE")

    def run(self, options: argparse.Namespace) -> int:
        """Measure, print, and write."""
        from flopsight.views.memory import render

        if options.html is not None:
            _formats.check_folder(options.html)
        record = _model.run_model(options, memory=True, optimizer=options.optimizer)
        if options.html is not None:
            with _formats.writing(options.html):
                record.report(options.html, allocator=options.allocator)
        sys.stdout.write(render(record.memory_with(options.allocator), options.largest))
        return 0
