"""`flopsight report FILE -o PAGE`."""

from __future__ import annotations

import argparse
from pathlib import Path

from flopsight import conventions
from flopsight.cli import Command, _device, _formats, _output, _saved


class Report(Command):
    """Make a page for a browser of a saved profile: one file that opens from disk; needs no PyTorch."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        parser.add_argument("file", metavar="FILE", help="the saved profile")
        parser.add_argument("-o", "--out", required=True, metavar="PAGE", help="the file to write")
        parser.add_argument("--module", default="", metavar="PATH", help="only this module and all below it")
        parser.add_argument("--count", metavar="CONVENTION", help="what is counted first (default: macs)")
        parser.add_argument("--allocator", choices=["cuda"], help="sizes as PyTorch's allocator for it takes them")
        _device.add_timing(parser)

    def run(self, options: argparse.Namespace) -> int:
        """Load and write."""
        if options.count is not None:
            conventions.get(options.count)
        _formats.check_folder(options.out)
        device = _device.chosen(options)
        path = Path(options.file)
        profile = _output.part(_saved.read(path), options.module)
        with _saved.showing(path), _formats.writing(options.out):
            profile.report(
                options.out,
                convention=options.count,
                allocator=options.allocator,
                device=device,
                fused=options.fused,
                launch_s=options.launch,
                compute_dtype=options.compute_dtype,
            )
        return 0
