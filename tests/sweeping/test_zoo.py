"""`flopsight zoo`: the table in the docs is what a run gives, killed half-way and gone on with."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command_line import refused, run
from versions import REFERENCE, VERSION

from flopsight.cli import zoo
from flopsight.sources.torchvision_operators import torchvision_importable

with torchvision_importable():
    torchvision = pytest.importorskip("torchvision")

PAGE = Path(__file__).parents[2] / "docs" / "zoo-torchvision.md"
COMMAND = (sys.executable, "-m", "flopsight", "zoo", "torchvision", "--proposals", "1000", "--workers", "2", "--out")


def timeless(table: str) -> list[str]:
    """The lines of a Markdown table without the two columns of seconds at its end."""
    return [re.sub(r"( \|[^|]*){2} \|$", "", line) for line in table.splitlines()]


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_killed_half_way_and_gone_on_with_it_is_the_table_of_the_docs(tmp_path: Path) -> None:
    table, journal = tmp_path / "zoo.md", tmp_path / "zoo.md.journal"
    half = len(torchvision.models.list_models()) // 2
    process = subprocess.Popen([*COMMAND, str(table)])
    try:
        while count_lines(journal) <= half:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.05)
        children = psutil.Process(process.pid).children()
    finally:
        process.kill()
        process.wait()
    kept = journal.read_text().splitlines()[:half]
    assert len(psutil.wait_procs(children, timeout=60)[1]) == 0, "processes live on without the sweep"
    done = subprocess.run([*COMMAND, str(table)], capture_output=True, text=True, check=True)
    assert f"of {len(torchvision.models.list_models())} models counted" in done.stdout
    lines = table.read_text().splitlines()
    for name, *_, build_s, count_s in (json.loads(line).values() for line in kept[1:]):
        (line,) = [line for line in lines if line.startswith(f"| {name.replace('_', chr(92) + '_')} |")]
        seconds = [f"{'' if number is None else number}" for number in (build_s, count_s)]
        assert [cell.strip() for cell in line.split("|")[-3:-1]] == seconds, "what was there was measured again"
    if VERSION.startswith(REFERENCE) and torchvision.__version__.startswith("0.28.0"):
        assert timeless(table.read_text()) == timeless(PAGE.read_text()), "run: make zoo"


def test_ctrl_c_keeps_what_there_is_and_leaves_no_process(tmp_path: Path) -> None:
    journal = tmp_path / "zoo.csv.journal"
    with subprocess.Popen([*COMMAND, str(tmp_path / "zoo.csv")], stderr=subprocess.PIPE, text=True) as process:
        while count_lines(journal) < 4:
            assert process.poll() is None, "it ended before it could be interrupted"
            time.sleep(0.05)
        children = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
    assert process.returncode == 130
    assert not [child for child in children if child.is_running()]
    assert count_lines(journal) >= 4


def test_a_table_of_some_and_what_became_of_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = str(tmp_path / "zoo.csv")
    given = ("zoo", "tv", "--only", "resnet18", "--only", "ssd3*", "--out", table, "--workers", "1")
    code, out, err = run(capsys, *given, "--strict")
    assert (code, err) == (1, "")
    assert out.startswith("1 of 2 models counted\nfailed: torchvision:ssd300_vgg16: NeedsValuesError: ")
    assert out.endswith(f"table: {table}\n")
    with Path(table).open() as file:
        first, second = csv.DictReader(file)
    assert (first["name"], first["status"], first["params"]) == ("torchvision:resnet18", "counted", "11689512")
    assert (second["status"], second["macs"]) == ("failed", "")
    assert run(capsys, *given)[0] == 0


def test_a_bar_says_how_far_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with zoo._progress(2) as tell:
        tell(zoo.Row("a", "counted"))
        tell(zoo.Row("b", "failed", "why"))
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "1 not counted" in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("torchvison", "--out", "t.csv"), "'torchvison' is none of"),
        (("torchvision", "--out", "t.xls"), "end its name in one of .csv, .json, .jsonl, .md"),
        (("torchvision", "--out", "t.csv", "--only", "nothing*"), "No model is named like 'nothing*'"),
        (("torchvision", "--out", "t.csv", "--time-limit", "0"), "is no number of seconds above 0"),
        (("torchvision", "--out", "t.csv", "--memory-limit", "8"), "is no size; write 512MiB or 8GiB"),
        (("torchvision", "--out", "t.csv", "--executor", "spark:a"), "names no executor"),
        (("torchvision", "--out", "t.csv", "--executor", "dask:a:1", "--workers", "3"), "leave it out with --executor"),
    ],
)
def test_mistakes_are_told(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(capsys, "zoo", *arguments)


def test_limits_are_read() -> None:
    assert zoo._bytes("1.5GiB") == 3 * 2**29
    assert zoo._bytes("512MiB") == 2**29
    assert zoo._bytes("none") is None
    assert zoo._seconds("none") is None
    assert zoo._seconds("2.5") == 2.5
