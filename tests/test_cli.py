"""The command line, as a person uses it: output, exit codes, one sentence for what cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import handmade
import pytest

import flopsight
from flopsight import cli
from flopsight.cli import _model, _output
from flopsight.cli._model import Input, read_input
from flopsight.errors import InputError
from flopsight.sources import Workload

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.head = nn.Linear(width, 10)

    def forward(self, x, scale=1.0):
        return self.head(self.conv(x).relu().mean((2, 3))) * scale


class Values(nn.Module):
    def forward(self, x):
        return x @ x if x.sum() > -1 else x


class Huge(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(10**7, 10**7)

    def forward(self, x):
        return self.fc(x)


class Unknown(nn.Module):
    def forward(self, x):
        return torch.ops.flopsight_cli_test.opaque(x)


def interrupted():
    raise KeyboardInterrupt


torch.library.define("flopsight_cli_test::opaque", "(Tensor x) -> Tensor")
torch.library.impl("flopsight_cli_test::opaque", ["CPU", "Meta"], lambda x: x.new_empty(x.shape))
ready = Net()
number = 3
"""

INPUT = ["--input", "1,3,10,10"]
NET_MACS = 8 * 8 * 8 * 3 * 3 * 3 + 8 * 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models")
    (path / "cli_net.py").write_text(NET)
    return path


@pytest.fixture
def net(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    if "cli_net" in sys.modules:  # its operators can be declared once only
        monkeypatch.setattr("flopsight.sources.python._from_file", lambda path: sys.modules["cli_net"])
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The one line on stderr with which `arguments` are refused."""
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("flopsight: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.usefixtures("net")
class TestModel:
    def test_the_table_is_printed(self, capsys) -> None:
        code, out, err = run(capsys, "cli_net.py:Net", *INPUT)
        assert (code, err) == (0, "")
        assert out.startswith("Net (cli_net.py:Net) on [1, 3, 10, 10]\n")
        assert f"{NET_MACS:,}  multiply-accumulates of contractions" in out

    def test_profile_may_be_written_out(self, capsys) -> None:
        assert run(capsys, "profile", "cli_net.py:Net", *INPUT) == run(capsys, "cli_net.py:Net", *INPUT)

    @pytest.mark.parametrize("model", ["cli_net.py:ready", "cli_net.py:Net(width=8)", "cli_net:Net"])
    def test_models_are_found(self, capsys, model) -> None:
        assert f"{NET_MACS:,}  multiply" in run(capsys, model, *INPUT)[1]

    def test_inputs_go_by_name_and_further_arguments_by_json(self, capsys) -> None:
        given = ["--input", "x=2x3x10x10", "--kwargs", '{"scale": 2.0}']
        assert f"{2 * NET_MACS:,}  multiply" in run(capsys, "cli_net.py:Net", *given)[1]

    def test_backward_adds_a_phase(self, capsys) -> None:
        assert "\nbackward " in run(capsys, "cli_net.py:Net", *INPUT, "--backward")[1]

    def test_values_need_execute(self, capsys) -> None:
        sentence = refused(capsys, "cli_net.py:Values", "--input", "4,4")
        assert "pass --execute" in sentence
        assert "cli_net.py:" in sentence
        assert "64  multiply" in run(capsys, "cli_net.py:Values", "--input", "4,4", "--execute")[1]

    def test_a_model_too_large_for_memory_is_measured_and_not_executed(self, capsys) -> None:
        given = ["cli_net.py:Huge", "--input", "1,10000000"]
        assert "100,000,000,000,000  multiply" in run(capsys, *given)[1]
        assert "does not fit into memory. Leave --execute out" in refused(capsys, *given, "--execute")

    def test_an_unknown_operator_is_named_and_fails_if_strict(self, capsys) -> None:
        given = ["cli_net.py:Unknown", "--input", "4,4"]
        code, out, _ = run(capsys, *given)
        assert code == 0
        assert "(1 operator unknown)" in out
        assert "flopsight_cli_test::opaque  1 call" in out
        assert "flopsight_cli_test::opaque" in refused(capsys, *given, "--strict", code=1)

    def test_ctrl_c_is_quiet(self, capsys) -> None:
        assert run(capsys, "cli_net.py:interrupted") == (130, "", "")

    @pytest.mark.parametrize(("arguments", "sentence"), [
        (["cli_net.py:Net"], "cli_net.py:Net needs inputs; give one for each argument"),
        (["cli_net.py:Net", "--input", "1,4,10,10"], "module 'conv' (Conv2d): RuntimeError: Given groups=1"),
        (["cli_net.py:Net", "--input", "1,4,10,10"], "called with (float32[1, 4, 10, 10])"),
        (["cli_net.py:Net", *INPUT, "--kwargs", '{"y": 1}'], "unexpected keyword argument 'y'"),
        (["cli_net.py:Net", "--input", "1,3,10,10:float23"], "no dtype 'float23'"),
        (["cli_net.py:Nte", *INPUT], "no 'Nte'. Did you mean 'Net'"),
        (["cli_net.py:Net(widht=8)", *INPUT], "unexpected keyword argument 'widht'"),
        (["cli_net.py:Net(width)", *INPUT], "write literals by name"),
        (["cli_net.py:number", *INPUT], "is a int, not a model"),
        (["cli_net.py", *INPUT], "defines Net, Values, Huge, Unknown, ready; say which"),
        (["cli_net:Net", "--input", "1,a"], "--input '1,a' is no shape"),
        (["cli_net:Net", "--kwargs", "{"], "--kwargs '{' is not JSON"),
        (["cli_net:Net", "--kwargs", "[1]"], "is no JSON object"),
        (["cli_net:Net", "--columns", "mac"], "no column 'mac'"),
        (["cli_net:Net", "--sort", "size"], "no column 'size'"),
        (["cli_net:Net", "--count", "thp"], "no convention 'thp'"),
        (["cli_net:Net", "--json", "no/folder/x.json"], "there is no folder no/folder"),
        (["cli_net:Net", *INPUT, "--json", "."], "cannot be written: Is a directory"),
        (["cli_net:Net", *INPUT, "--module", "hed"], "No module 'hed' in Net. Did you mean 'head'?"),
        (["cli_net:Net", "--by", "layer"], "invalid choice: 'layer'"),
        (["--colums"], "required: MODEL. See: flopsight --help"),
        (["no_such_package.nets:Net"], "no module 'no_such_package.nets' to import"),
    ])  # fmt: skip
    def test_what_cannot_be_used_gets_one_sentence(self, capsys, arguments, sentence) -> None:
        assert sentence in refused(capsys, *arguments)


@pytest.mark.usefixtures("net")
class TestFormats:
    def test_json_is_written_and_shown_again(self, capsys) -> None:
        _, table, _ = run(capsys, "cli_net.py:Net", *INPUT, "--json", "saved.json")
        assert flopsight.load("saved.json").macs == NET_MACS
        assert run(capsys, "show", "saved.json") == (0, table, "")
        assert json.loads(run(capsys, "show", "saved.json", "--json")[1])["model"] == "Net"

    def test_a_format_goes_to_standard_output_or_a_file(self, capsys) -> None:
        given = ["cli_net.py:Net", *INPUT, "--module", "head"]
        code, out, _ = run(capsys, *given, "--csv")
        assert out.splitlines()[0].startswith("path,class,")
        code, table, _ = run(capsys, *given, "--csv", "net.csv", "--html", "net.html")
        assert code == 0
        assert Path("net.csv").read_text() == out
        assert "<table>" in Path("net.html").read_text()
        assert table.startswith("Net (cli_net.py:Net), module head")

    def test_options_reach_the_table(self, capsys) -> None:
        given = ["--by", "operator", "--columns", "macs, exact", "--sort", "macs"]
        lines = run(capsys, "cli_net.py:Net", *INPUT, *given)[1].splitlines()
        assert lines[1].split() == ["operator", "MACs", "exact", "operations"]
        assert lines[3].split()[0] == "aten::convolution"
        assert len(run(capsys, "cli_net.py:Net", *INPUT, "--depth", "0")[1].split("\n\n")[0].splitlines()) == 4
        assert "weights MACs" in run(capsys, "cli_net.py:Net", *INPUT, "--count", "weights")[1]


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


@pytest.mark.parametrize("text", ["", "a", "1,,2", "-1,3", "1.5", "=1", "a b=1", "ids=", ":int64"])
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
