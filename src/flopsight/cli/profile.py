"""`flopsight MODEL`."""

from __future__ import annotations

import argparse

from flopsight.cli import Command, _device, _model, _output


class Profile(Command):
    """What a model costs: operations, parameters and bytes, module by module.

    MODEL is torchvision:NAME, timm:NAME, transformers:NAME, path/to/net.py:NAME or package.module:NAME, with arguments
    for its constructor in parentheses: 'net.py:Net(depth=3)'. It is built without its weights, and nothing is computed.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        _model.add_model(parser)
        _output.add_output(parser)
        _device.add_device(parser)

    def run(self, options: argparse.Namespace) -> int:
        """Measure and show."""
        device = _device.checked(options)
        _device.show(_model.run_model(options), options, device)
        return 0
