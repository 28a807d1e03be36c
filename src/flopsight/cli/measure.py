"""`flopsight measure MODEL`."""

from __future__ import annotations

import argparse
import sys

from flopsight.cli import Command, _device, _model, _values


class Measure(Command):
    """How long a model takes for real, beside the least time that its operators need.

    MODEL is written as for flopsight profile. It gets random weights, and a copy of it is run.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        _model.add_workload(parser)
        _model.add_passes(parser)
        parser.add_argument("--device", metavar="cpu|cuda", help="where to run (default: cuda if there)")
        parser.add_argument("--against", metavar="NAME", help="a device of flopsight devices (default: this machine)")
        parser.add_argument("--device-file", metavar="FILE", help="one that flopsight devices --measure saved")
        parser.add_argument("--seconds", type=_values.seconds, default=1.0, metavar="S", help="run for as long (1)")
        parser.add_argument("--depth", type=int, metavar="N", help="levels of modules (default: as many as fit)")

    def run(self, options: argparse.Namespace) -> int:
        """Run, and print."""
        against = _device.named(options.against, options.device_file, "--against")
        from flopsight.views.measurement import render

        sys.stdout.write(render(_model.run_measurement(options, against), depth=options.depth))
        return 0
