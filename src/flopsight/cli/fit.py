"""`flopsight fit MODEL --memory SIZE`."""

from __future__ import annotations

import argparse
import sys

from flopsight.cli import Command, _model, _values


class Fit(Command):
    """Whether a model fits into a memory, what would, and the largest batch that does.

    Without --backward, a call of the model without gradients; with it, a training step. Each row is from runs of the
    changed program. The exit code is 1 if it does not fit as given.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        _model.add_workload(parser)
        _model.add_proposals(parser)
        parser.add_argument(
            "--memory", type=_values.nbytes, required=True, metavar="SIZE", help="80GiB, 24GB, or bytes"
        )
        parser.add_argument("--backward", action="store_true", help="a training step, in training mode")
        parser.add_argument("--optimizer", metavar="NAME", help="with its step, and its state: adamw, sgd, ...")
        parser.add_argument("--dtype", metavar="NAME", help="of the parameters: bfloat16, ...")
        parser.add_argument("--allocator", choices=["cuda"], help="sizes as PyTorch's allocator for it takes them")
        parser.add_argument(
            "--micro-batches",
            type=_values.positive,
            default=4,
            metavar="N",
            help="of gradient accumulation (default: 4)",
        )

    def run(self, options: argparse.Namespace) -> int:
        """Measure and print."""
        fit = _model.run_fit(options)
        sys.stdout.write(str(fit))
        return 0 if fit.fits else 1
