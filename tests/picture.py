"""The pictures in the docs, of commands and of a treemap: `python -m picture`, run in `tests`, draws them anew."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from comparing.repository import commit, git
from rich.console import Console
from rich.text import Text

from flopsight import cli
from flopsight.profiles import Profile

IMAGES = Path(__file__).parents[1] / "docs" / "images"
TREEMAP = IMAGES / "treemap.svg"
WIDTH = 88

NET = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, blocks={blocks}, width=64):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 7, stride=2, padding=3)
        self.blocks = nn.Sequential(*(self.block(width) for _ in range(blocks)))
        self.{head} = nn.Linear(width, 1000)

    def block(self, width):
        return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())

    def forward(self, x):
        return self.{head}(self.blocks(self.stem(x)).mean((2, 3)))
"""
BUDGET = """\
[tool.flopsight.budget."net.py:Net"]
input = "1,3,224,224"
macs = "2.5G"
params = 400_000
"""


def nothing() -> None:
    """The command needs no files."""


def revisions() -> None:
    """A repository in which the last commit adds two blocks and renames a layer."""
    git(Path(), "init", "-q")
    commit(Path(), {"net.py": NET.format(blocks=4, head="head")})
    commit(Path(), {"net.py": NET.format(blocks=6, head="classifier")})


def budget() -> None:
    """A model, and what it may cost."""
    Path("net.py").write_text(NET.format(blocks=6, head="classifier"))
    Path("pyproject.toml").write_text(BUDGET)


class Picture(NamedTuple):
    """A command, what has to be in the folder that it runs in, and the code that it ends with."""

    command: str
    prepare: Callable[[], None]
    code: int = 0


PICTURES = {
    "resnet50.svg": Picture("flopsight torchvision:resnet50 --depth 1", nothing),
    "diff.svg": Picture("flopsight diff HEAD~1..HEAD net.py:Net --input 1,3,224,224", revisions, 1),
    "check.svg": Picture("flopsight check", budget, 1),
}

FONT = re.compile(r"^ *@font-face \{.*?\}\n+", re.MULTILINE | re.DOTALL)
"""A font from elsewhere, which is left out: looking at the picture asks no server for anything."""


class Terminal(io.StringIO):
    """Output that is kept, of a command that believes to write to a terminal."""

    def isatty(self) -> bool:
        return True


def printed(picture: Picture) -> str:
    """What the command prints in a terminal, with its colours."""
    surroundings = {"COLUMNS": str(WIDTH), "TERM": "xterm"}
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, surroundings),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(Terminal()) as terminal,
    ):
        picture.prepare()
        os.environ.pop("NO_COLOR", None)
        code = cli.main(shlex.split(picture.command)[1:])
    assert code == picture.code, f"{picture.command} ended with {code}"
    return terminal.getvalue()


def drawn(picture: Picture) -> str:
    """The picture of the command and its output."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="standard", force_terminal=True)
    console.print(Text(f"$ {picture.command}"))
    console.print(Text.from_ansi(printed(picture)))
    return FONT.sub("", console.export_svg(title="flopsight", unique_id="flopsight"))


def mapped() -> str:
    """The picture of the same model as a treemap, equal whenever it is drawn."""
    from matplotlib import rc_context

    with contextlib.redirect_stdout(io.StringIO()) as saved:
        cli.main(["torchvision:resnet50", "--json"])
    stream = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "flopsight"}):
        figure = Profile.from_dict(json.loads(saved.getvalue())).plot().figure
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return "\n".join(map(str.rstrip, stream.getvalue().splitlines())) + "\n"


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name, picture in PICTURES.items():
        (IMAGES / name).write_text(drawn(picture), encoding="utf-8")
    TREEMAP.write_text(mapped(), encoding="utf-8")
