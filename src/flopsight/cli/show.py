"""`flopsight show FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from flopsight.cli import Command, _device, _output, _saved


class Show(Command):
    """Show a profile saved with --json or profile.save(path); needs no PyTorch."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        parser.add_argument("file", metavar="FILE", help="the saved profile")
        _output.add_output(parser)
        _device.add_device(parser)

    def run(self, options: argparse.Namespace) -> int:
        """Load and show."""
        device = _device.checked(options)
        path = Path(options.file)
        profile = _saved.read(path)
        with _saved.showing(path):
            _device.show(profile, options, device)
        return 0
