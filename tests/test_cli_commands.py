"""The command line's smaller commands, its reading of inputs, and what it does on a terminal and in a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import handmade
import pytest
from command_line import refused, run

import flopsight
from flopsight import cli
from flopsight.cli import _model, _output
from flopsight.cli._values import Input, read_input
from flopsight.errors import InputError
from flopsight.sources import Workload


class TestShow:
    def test_nothing_is_shown_well(self, capsys, tmp_path) -> None:
        handmade.empty().save(tmp_path / "empty.json")
        code, out, _ = run(capsys, "show", str(tmp_path / "empty.json"))
        assert (code, out) == (0, str(handmade.empty()))

    @pytest.mark.parametrize(("text", "sentence"), [
        ("{", "is no saved profile"), ("[]", "it has no 'format'"), ('{"format": 99}', "has format 99"),
        ('{"format": 1}', "damaged"), ("\x1f\x8b", "is no saved profile"),
    ])  # fmt: skip
    def test_other_files_get_a_sentence(self, capsys, tmp_path, text, sentence) -> None:
        (tmp_path / "x.json").write_text(text, encoding="latin1")
        assert sentence in refused(capsys, "show", str(tmp_path / "x.json"))

    def test_a_file_that_is_not_there_gets_near_ones(self, capsys, tmp_path, monkeypatch) -> None:
        monkeypatch.chdir(tmp_path)
        handmade.empty().save("saved.json")
        assert "save.json cannot be read: No such file or directory. Did you mean 'saved.json'" in refused(
            capsys, "show", "save.json"
        )

    @pytest.mark.parametrize(("options", "expected"), [
        (["--top", "1"], ["layers.0-2.fc (3 x)"]),
        (["--top", "1", "--sort", "macs", "--flat"], ["layers.0 (own code)"]),
        (["--only", "*.1.fc"], ["layers.1.fc"]),
        (["--flat", "--only", "layers.1*"], ["layers.1 (own code)", "layers.1.fc"]),
    ])  # fmt: skip
    def test_rows_can_be_chosen(self, capsys, tmp_path, options: list[str], expected: list[str]) -> None:
        handmade.stack().save(tmp_path / "p.json")
        sort = [] if "--sort" in options else ["--sort", "params"]
        code, out, _ = run(capsys, "show", str(tmp_path / "p.json"), "--columns", "macs", *options, *sort)
        assert code == 0
        names = [line.rpartition("   ")[0].strip() for line in out.splitlines()[3 : 3 + len(expected)]]
        assert sorted(names) == sorted(expected)
        assert run(capsys, "show", str(tmp_path / "p.json"), "--csv", *options, *sort)[0] == 0

    def test_rows_that_are_not_there_get_a_sentence(self, capsys, tmp_path) -> None:
        handmade.stack().save(tmp_path / "p.json")
        show = ["show", str(tmp_path / "p.json")]
        assert "No module of Net has a path like 'layer.*'. Did you mean 'layers.*'" in refused(
            capsys, *show, "--only", "layer.*"
        )
        assert "'0' is no number of at least 1" in refused(capsys, *show, "--top", "0")


class TestListings:
    def test_ops_lists_the_registry(self, capsys) -> None:
        code, out, _ = run(capsys, "ops", "aten::bmm")
        assert code == 0
        assert out.splitlines()[0].split() == ["operator", "family", "equation", "source"]
        assert "aten::bmm" in out
        assert len(run(capsys, "ops")[1].splitlines()) > 20
        assert "Did you mean 'convolution'" in refused(capsys, "ops", "convolutoin")

    def test_conventions_are_listed(self, capsys) -> None:
        out = run(capsys, "conventions")[1]
        assert all(name in out for name in flopsight.conventions.names())

    def test_every_command_is_in_the_overview_and_has_help(self, capsys) -> None:
        code, overview, _ = run(capsys, "--help")
        assert code == 0
        for name in cli.names():
            assert f"\n  {name} " in overview
            code, out, err = run(capsys, name, "--help")
            assert (code, err) == (0, "")
            assert out.startswith("usage: flopsight")

    def test_without_anything_the_overview_is_shown_and_the_call_fails(self, capsys) -> None:
        assert run(capsys)[0] == 2

    def test_version(self, capsys) -> None:
        assert run(capsys, "--version") == (0, f"flopsight {flopsight.__version__}\n", "")


@pytest.mark.parametrize(("text", "expected"), [
    ("1,3,224,224", Input("", (1, 3, 224, 224), None)), ("1x3x8", Input("", (1, 3, 8), None)),
    ("ids=1,128:int64", Input("ids", (1, 128), "int64")), ("7", Input("", (7,), None)),
    ("0,3", Input("", (0, 3), None)),
])  # fmt: skip
def test_inputs_are_read(text: str, expected: Input) -> None:
    assert read_input(text) == expected


@pytest.mark.parametrize("text", ["", "a-", "1,,2", "-1,3", "1.5", "=1", "a b=1", "ids=", ":int64"])
def test_what_is_no_input_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no shape"):
        read_input(text)


def test_what_the_user_gives_stands_over_what_the_source_knows() -> None:
    workload = Workload(len, (1,), {"ids": 2, "mask": 3}, "model")
    ids, image = Input("ids", (1, 8), "int64"), Input("", (1, 3), None)
    assert _model._arguments(workload, [], {}) == ((1,), {"ids": 2, "mask": 3})
    assert _model._arguments(workload, [ids], {"mask": 4}) == (
        (1,),
        {"ids": flopsight.spec(1, 8, dtype="int64"), "mask": 4},
    )
    assert _model._arguments(workload, [image], {"scale": 2}) == ((flopsight.spec(1, 3),), {"scale": 2})


class Terminal:
    """A stream that a person watches."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True


def test_colour_only_on_a_terminal_and_not_against_the_users_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    _output.print_table(handmade.classifier(), {})
    assert "\x1b[" in sys.stdout.text
    assert max(len(line) for line in sys.stdout.text.splitlines() if "\x1b" not in line) <= 60
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    _output.print_table(handmade.classifier(), {})
    assert "\x1b[" not in sys.stdout.text


def printed(monkeypatch: pytest.MonkeyPatch, columns: int = 120, **layout) -> list[str]:
    """The lines on a terminal so wide, without colours."""
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", str(columns))
    _output.print_table(handmade.classifier(), layout)
    assert "\x1b" not in sys.stdout.text
    return sys.stdout.text.splitlines()


def test_a_terminal_gets_bars_and_a_hint_and_a_pipe_neither(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    lines = printed(monkeypatch)
    assert "█" * 16 in lines[3]
    assert lines[-2:] == [
        "", "Also: --by operator, --top 10, --only 'PATTERN', --depth N, --flat, --csv FILE, --html FILE, --help"
    ]  # fmt: skip
    monkeypatch.undo()
    _output.print_table(handmade.classifier(), {})
    assert capsys.readouterr().out == str(handmade.classifier())


def test_the_hint_is_of_what_was_not_asked_and_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"by": "operator", "top": 2, "depth": 0, "flat": True, "only": None}
    assert printed(monkeypatch, **asked)[-1] == "Also: --only 'PATTERN', --csv FILE, --html FILE, --help"
    for columns in range(20, 120):
        assert len(printed(monkeypatch, columns)[-1]) <= columns
    assert printed(monkeypatch, 1)[-1] == "Also: --help"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_encoding_of_the_output_will_do(tmp_path: Path, encoding: str) -> None:
    modules = [handmade.module("", "Net"), handmade.module("é×注", "Linear")]
    handmade.profile(modules, [(handmade.linear(), "é×注")]).save(tmp_path / "p.json")
    code = (
        "import sys; from flopsight import cli; from flopsight.cli import _output; sys.stdout.isatty = lambda: True; "
        f"raise SystemExit(cli.main(['show', {str(tmp_path / 'p.json')!r}]))"
    )
    surroundings = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "80", "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=surroundings, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode(encoding).splitlines()
    rule, whole, name = ("─", "█", "é×注") if encoding == "utf-8" else ("-", "#", "é×\\u6ce8")
    assert lines[2] == rule * len(lines[2])
    assert whole * 16 in lines[3]
    assert name.replace("é×", "\\xe9x" if encoding == "ascii" else "é×") in lines[4]


def test_progress_is_told_to_a_person_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with _model._telling("Building [x]") as tell:
        tell("Measuring [y]")
    assert "Measuring [y]" in sys.stderr.text
    monkeypatch.setattr(Terminal, "isatty", lambda self: False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with _model._telling("Building"):
        pass
    assert sys.stderr.text == ""


def fresh(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("command", [["show", "FILE"], ["ops"], ["conventions"], ["--help"], ["profile", "--help"]])
def test_commands_that_need_no_torch_import_none(command: list[str], tmp_path: Path) -> None:
    handmade.stack().save(tmp_path / "p.json")
    arguments = [str(tmp_path / "p.json") if word == "FILE" else word for word in command]
    code = (
        f"import sys; from flopsight.cli import main; code = main({arguments!r}); print(code, 'torch' in sys.modules)"
    )
    assert fresh(code).splitlines()[-1] == "0 False"


def test_a_fault_of_flopsight_gets_a_sentence_and_on_wish_a_traceback(capsys, monkeypatch) -> None:
    monkeypatch.setattr(cli, "names", lambda: 1 / 0)
    assert "a fault in flopsight: ZeroDivisionError: division by zero" in refused(capsys, "ops", code=70)
    monkeypatch.setenv("FLOPSIGHT_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["ops"])


def test_a_pipe_that_closes_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m flopsight ops | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
