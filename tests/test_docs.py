"""The docs say what is true: each example runs and prints what the page shows, each command and option is described.

Blocks of one page share their names. A `python` block directly followed by a `text` block must print it. In a `console`
block, `$ flopsight ...` runs, and lines below it are what it prints; `# exit code 1` says that it ends so. A `toml`
block is the pyproject.toml of what follows. `...` stands for anything.
"""

from __future__ import annotations

import argparse
import doctest
import html
import re
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from picture import IMAGES, PICTURES, TREEMAP, mapped, printed
from rich.text import Text
from versions import REFERENCE, VERSION

from flopsight import cli
from flopsight.sources.torchvision_operators import torchvision_importable

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PICTURE_TEXT = re.compile(r'<text class="flopsight-r\d+" x="[\d.]+" y="([\d.]+)"[^>]*>([^<]*)</text>')
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
ANCHOR = re.compile(r"\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block: its language, the page's line it starts at, its text, and the output shown below it."""

    language: str
    line: int
    text: str
    shown: str | None


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    found = BLOCK.finditer(text)
    return [
        Block(m[1], text[: m.start()].count("\n") + 2, m[2], m[3])
        for m in found
        if m[1] in ("python", "console", "toml")
    ]


def check_output(printed: str, shown: str) -> None:
    def tidy(text: str) -> str:
        lines = map(str.rstrip, text.strip("\n").splitlines())
        return "\n".join(lines if VERSION.startswith(REFERENCE) else map(uncounted, lines)) + "\n"

    same = doctest.OutputChecker().check_output(tidy(shown), tidy(printed), doctest.ELLIPSIS)
    assert same, f"the page shows\n{tidy(shown)}\nbut it is\n{tidy(printed)}"


def uncounted(line: str) -> str:
    """A line without the number of calls, which differs from version to version by views and copies."""
    if line.startswith(("movement ", "calls ")):
        return line.split()[0]
    return re.sub(r" +[\d,]+$", "", line) if line.startswith(("forward ", "backward ")) else line


def commands(text: str) -> Iterator[tuple[list[str], str, int]]:
    """The commands of a console block, each with the output shown below it and the code that it ends with."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = re.match(r"((?:.*\\\n)*.*)\n?", part)
        assert lines is not None, "an empty command is one too"
        command, shown = lines[1].replace("\\\n", " "), part[lines.end() :]
        told = re.search(r"# exit code (\d+)$", command)
        code = int(told[1]) if told else 2 if shown.startswith("flopsight: ") else 0
        yield shlex.split(command, comments=True), shown, code


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to work in, with the examples; a terminal of 120 columns; torchvision, if it is installed."""
    with torchvision_importable():
        pytest.importorskip("torchvision")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_run(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        capsys.readouterr()
        if block.language == "python":
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec", dont_inherit=True)
            exec(code, names)
            if block.shown is not None:
                check_output(capsys.readouterr().out, block.shown)
        elif block.language == "toml":
            Path("pyproject.toml").write_text(block.text)
        else:
            for command, shown, code in commands(block.text):
                run(command, shown, code, capsys)


def run(command: list[str], shown: str, expected: int, capsys: pytest.CaptureFixture[str]) -> None:
    if command[0] != "flopsight":
        return
    with pytest.raises(SystemExit) as done:
        raise SystemExit(cli.main(command[1:]))
    printed = capsys.readouterr()
    assert (done.value.code or 0) == expected, f"{command}: {printed.err}"
    if shown.strip():
        check_output(printed.out + printed.err, shown)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in ANCHOR.findall(page.read_text()):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="contextlib.chdir is new in Python 3.11")
@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_shows_what_is_printed(name: str) -> None:
    picture = PICTURES[name]
    lines: defaultdict[str, str] = defaultdict(str)
    for height, text in PICTURE_TEXT.findall((IMAGES / name).read_text(encoding="utf-8")):
        lines[height] += f" {html.unescape(text)}"
    output = f"$ {picture.command} {Text.from_ansi(printed(picture)).plain}"
    check_output(" ".join(output.split()), " ".join(" ".join(lines.values()).split()))  # whatever the width of lines


@pytest.mark.usefixtures("workplace")
def test_the_treemap_is_of_todays_figures() -> None:
    pytest.importorskip("squarify")

    def said(picture: str) -> list[str]:
        return re.findall(r"<text [^>]*>([^<]*)</text>", picture)

    assert "layer3  35.8%" in said(mapped())
    assert said(TREEMAP.read_text(encoding="utf-8")) == said(mapped())


def options(name: str) -> set[str]:
    """The subcommand's own long options."""
    parser = argparse.ArgumentParser(add_help=False)
    cli.command(name).add_arguments(parser)
    return {option for action in parser._actions for option in action.option_strings if option.startswith("--")}


@pytest.mark.parametrize("name", cli.names())
def test_commands_and_options_are_described(name: str) -> None:
    page = (ROOT / "docs" / "command-line.md").read_text()
    assert f"`flopsight {name}" in page
    missing = {option for option in options(name) if not re.search(rf"`{option}\b", page)}
    assert not missing, f"docs/command-line.md does not describe {', '.join(sorted(missing))} of {name}"


def test_other_versions_may_differ_in_calls_alone() -> None:
    assert uncounted("movement          879           0                  0") == "movement"
    assert uncounted("calls                 1,227  operator calls") == "calls"
    assert uncounted("backward  301,311  602,623  604,106    834") == "backward  301,311  602,623  604,106"
    assert uncounted("reduction          49           0           84.852 M").endswith("84.852 M")


def test_a_wrong_output_is_noticed() -> None:
    check_output("4,089 MACs \n", "4,089 ...\n")
    with pytest.raises(AssertionError, match="but it is"):
        check_output("4,089 MACs\n", "4,090 MACs\n")
