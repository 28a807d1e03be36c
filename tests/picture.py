"""The pictures in the docs, of a table and a treemap: `python -m picture`, run in `tests`, draws them anew."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from pathlib import Path
from unittest import mock

from rich.console import Console
from rich.text import Text

from flopsight import cli
from flopsight.profiles import Profile

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "resnet50.svg"
TREEMAP = PICTURE.with_name("treemap.svg")
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


def mapped() -> str:
    """The picture of the same model as a treemap, equal whenever it is drawn."""
    from matplotlib import rc_context

    with contextlib.redirect_stdout(io.StringIO()) as saved:
        cli.main([COMMAND.split()[1], "--json"])
    stream = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "flopsight"}):
        figure = Profile.from_dict(json.loads(saved.getvalue())).plot().figure
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return "\n".join(map(str.rstrip, stream.getvalue().splitlines())) + "\n"


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(drawn(printed()), encoding="utf-8")
    TREEMAP.write_text(mapped(), encoding="utf-8")
