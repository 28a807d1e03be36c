"""The picture in the README, of what the command prints: `python -m picture`, run in `tests`, draws it anew."""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path
from unittest import mock

from rich.console import Console
from rich.text import Text

from flopsight import cli

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "resnet50.svg"
COMMAND = "flopsight torchvision:resnet50 --depth 1"
WIDTH = 88

FONT = re.compile(r"^ *@font-face \{.*?\}\n+", re.MULTILINE | re.DOTALL)
"""A font from elsewhere, which is left out: looking at the picture asks no server for anything."""


class Terminal(io.StringIO):
    """Output that is kept, of a command that believes to write to a terminal."""

    def isatty(self) -> bool:
        return True


def printed() -> str:
    """What the command prints in a terminal, with its colours."""
    surroundings = {"COLUMNS": str(WIDTH), "TERM": "xterm"}
    with mock.patch.dict(os.environ, surroundings), contextlib.redirect_stdout(Terminal()) as terminal:
        os.environ.pop("NO_COLOR", None)
        cli.main(COMMAND.split()[1:])
    return terminal.getvalue()


def drawn(output: str) -> str:
    """The picture of the command and its output."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="standard", force_terminal=True)
    console.print(Text(f"$ {COMMAND}"))
    console.print(Text.from_ansi(output))
    return FONT.sub("", console.export_svg(title="flopsight", unique_id="flopsight"))


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(drawn(printed()), encoding="utf-8")
