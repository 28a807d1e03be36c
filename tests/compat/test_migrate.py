from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from flopsight.cli import main
from flopsight.errors import InputError, MissingLibraryError
from flopsight.migrate import migrate
from flopsight.migrate.rewriter import TOOLS, offered

IMPORTS = [
    ("import thop", "import flopsight.compat.thop as thop"),
    ("import torchstat as ts", "import flopsight.compat.torchstat as ts"),
    ("import torch, thop  # two", "import torch, flopsight.compat.thop as thop  # two"),
    ("import fvcore.nn as fn", "import flopsight.compat.fvcore as fn"),
    ("from thop import profile as p, clever_format", "from flopsight.compat.thop import profile as p, clever_format"),
    ("from thop.utils import clever_format", "from flopsight.compat.thop import clever_format"),
    ("from torchstat import stat", "from flopsight.compat.torchstat import stat"),
    ("from torchstat.statistics import ModelStat", "from flopsight.compat.torchstat import ModelStat"),
    ("from flopth import flopth", "from flopsight.compat.flopth import flopth"),
    ("from flopth import *", "from flopsight.compat.flopth import *"),
    ("from ptflops import get_model_complexity_info", "from flopsight.compat.ptflops import get_model_complexity_info"),
    ("from ptflops.flops_counter import FLOPS_BACKEND", "from flopsight.compat.ptflops import FLOPS_BACKEND"),
    ("from fvcore.nn import (\n    flop_count,\n)", "from flopsight.compat.fvcore import (\n    flop_count,\n)"),
    ("from torchinfo import summary", "from flopsight.compat.torchinfo import summary"),
    ("if True: from thop import profile; x = 1", "if True: from flopsight.compat.thop import profile; x = 1"),
    (
        "from fvcore.nn import FlopCountAnalysis, giou_loss  # both",
        "from flopsight.compat.fvcore import FlopCountAnalysis  # both\nfrom fvcore.nn import giou_loss",
    ),
]
STAYS = [
    "import thopx",
    "from .thop import profile",
    "import fvcore.common",
    "from fvcore.nn import giou_loss",
    "from fvcore.common.config import CfgNode",
    "from mine.thop import profile",
    "x = 'thop'",
]
BY_HAND = [
    ("import thop.utils", "thop.NAME for thop.utils.NAME"),
    ("import fvcore.nn", "import flopsight.compat.fvcore as fvcore"),
    ("from thop.vision.basic_hooks import zero_ops", "flopsight.compat.thop has no zero_ops"),
]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(("old", "new"), IMPORTS)
def test_imports_are_rewritten_and_nothing_else(old: str, new: str, tmp_path: Path) -> None:
    before = f'# -*- coding: utf-8 -*-\n"""Doc."""\n{old}\n\n\nx   =  1 # kept\n'
    file = write(tmp_path / "net.py", before)
    report = migrate(tmp_path)
    assert file.read_text() == before
    assert [(finding.path, finding.line, finding.kind) for finding in report.findings] == [(file, 3, "import")]
    assert not report.changed
    report = migrate(file, write=True)
    assert report.changed == [file]
    assert file.read_text() == before.replace(old, new)
    assert not migrate(file).findings


@pytest.mark.parametrize("line", STAYS)
def test_other_lines_stay(line: str, tmp_path: Path) -> None:
    file = write(tmp_path / "net.py", line + "\n")
    report = migrate(file, write=True)
    assert not report.findings
    assert not report.changed
    assert file.read_text() == line + "\n"


@pytest.mark.parametrize(("line", "note"), BY_HAND)
def test_what_has_to_be_done_by_hand_is_said(line: str, note: str, tmp_path: Path) -> None:
    file = write(tmp_path / "net.py", line + "\n")
    (finding,) = migrate(file, write=True).findings
    assert note in finding.note
    assert note in str(finding)
    assert file.read_text() == line + "\n"


def test_calls_are_listed_with_their_lines(tmp_path: Path) -> None:
    text = (
        "import thop\n"
        "from ptflops import get_model_complexity_info as info\n"
        "def f(net, x):\n"
        "    from torchstat import stat\n"
        "    a = thop.profile(net,\n"
        "                     inputs=(x,))\n"
        "    profile(net); thop.nothing(net)\n"
        "    return stat(net, x), info(net, x)\n"
    )
    findings = migrate(write(tmp_path / "net.py", text)).findings
    calls = [(finding.line, finding.old, finding.new) for finding in findings if finding.kind == "call"]
    first, last = "a = thop.profile(net,", "return stat(net, x), info(net, x)"
    assert calls == [(5, first, first), (8, last, last)]


def test_line_ends_and_encoding_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_bytes("# coding: latin-1\r\nfrom thop import profile\r\nx = 'é'\r\n".encode("latin-1"))
    migrate(file, write=True)
    expected = "# coding: latin-1\r\nfrom flopsight.compat.thop import profile\r\nx = 'é'\r\n"
    assert file.read_bytes() == expected.encode("latin-1")


def test_environments_and_hidden_folders_are_left_out(tmp_path: Path) -> None:
    for folder in ("src", ".git", "env", "a/site-packages", "a/__pycache__"):
        (tmp_path / folder).mkdir(parents=True)
        write(tmp_path / folder / "net.py", "import thop\n")
    write(tmp_path / "env" / "pyvenv.cfg", "")
    assert [finding.path for finding in migrate(tmp_path).findings] == [tmp_path / "src" / "net.py"]


def test_a_file_that_is_not_python_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    bad = write(tmp_path / "a.py", "import thop\nprint 'x'\n")
    good = write(tmp_path / "b.py", "import thop\n")
    report = migrate(tmp_path, write=True)
    assert list(report.unreadable) == [bad]
    assert report.changed == [good]
    assert f"{bad}: not read: Syntax Error" in str(report)


def test_no_such_path_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file or folder"):
        migrate(tmp_path / "no.py")


def test_the_library_to_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'flopsight\[migrate\]'"):
        migrate(tmp_path)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "net.py", "from thop import profile\nprofile(net, (x,))\n")
    assert main(["migrate", str(tmp_path)]) == 0
    listed = (
        f"{file}:1: import\n  - from thop import profile\n  + from flopsight.compat.thop import profile\n"
        f"{file}:2: call, stays as it is\n    profile(net, (x,))\n"
    )
    summary = "Import lines to change: 1, in 1 of the files; to look at by hand: 0.\n"
    advice = "Nothing was written; run it again with --write to edit the import lines.\n"
    assert capsys.readouterr().out == listed + summary + advice
    assert main(["migrate", str(tmp_path), "--write"]) == 0
    assert capsys.readouterr().out == listed + summary.replace("to change", "changed", 1)
    assert file.read_text().startswith("from flopsight.compat.thop import profile\n")


@pytest.mark.parametrize("tool", TOOLS)
def test_the_names_read_from_a_shim_are_its_names(tool: str) -> None:
    shim = importlib.import_module(f"flopsight.compat.{tool}")
    assert offered(tool) == set(shim.__all__)
    assert all(hasattr(shim, name) for name in shim.__all__)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_shim_is_short(tool: str) -> None:
    file = importlib.import_module(f"flopsight.compat.{tool}").__file__
    assert len(Path(file or "").read_text().splitlines()) < 150
