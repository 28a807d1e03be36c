"""`flopsight serve-cost MODEL --prompt P --new N`."""

from __future__ import annotations

import argparse
import sys

from flopsight.cli import Command, _model, _values


class ServeCost(Command):
    """What a language model costs to serve: the prompt, then token by token, with its cache."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        parser.add_argument("model", metavar="MODEL", help="transformers:NAME, hf:NAME, path/to/net.py:NAME, ...")
        parser.add_argument("--prompt", type=_values.positive, default=2048, metavar="P", help="tokens of each prompt")
        parser.add_argument("--new", type=_values.positive, default=512, metavar="N", help="tokens generated for each")
        parser.add_argument("--batch", type=_values.positive, default=1, metavar="B", help="sequences at a time")
        parser.add_argument("--dtype", default="bfloat16", help="of weights and cache (default: bfloat16)")
        parser.add_argument(
            "--input",
            action="append",
            default=[],
            metavar="NAME=SIZES[:DTYPE]",
            help="what the prompt's call takes besides token ids; once for each",
        )
        _model.add_media(parser.add_argument_group("what the prompt holds beside text", "of transformers: models"))
        assisted = parser.add_argument_group("assisted (speculative) decoding")
        assisted.add_argument("--assistant", metavar="MODEL", help="a smaller model, which drafts tokens")
        assisted.add_argument("--draft-tokens", type=_values.positive, metavar="K", help="tokens drafted in each round")
        assisted.add_argument(
            "--acceptance", type=float, metavar="A", help="assumed probability that one is accepted, as 0.7"
        )

    def run(self, options: argparse.Namespace) -> int:
        """Measure and print."""
        sys.stdout.write(str(_model.run_generation(options)))
        return 0
