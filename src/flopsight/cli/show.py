"""`flopsight show FILE`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from flopsight.cli import TRACEBACK, Command, _device, _output
from flopsight.cli._several import read
from flopsight.errors import FlopsightError, ProfileFormatError


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
        profile = read(path)
        try:
            _device.show(profile, options, device)
        except (FlopsightError, OSError):
            raise
        except Exception as error:
            if TRACEBACK in os.environ:
                raise
            raise ProfileFormatError(
                f"{path} cannot be shown this way ({type(error).__name__}: {error}): its operators do not have the "
                f"arguments that flopsight writes. If flopsight wrote it, set {TRACEBACK}=1 and please report it."
            ) from error
        return 0
