"""The command line, as a person uses it: output, exit codes, one sentence for what cannot be used."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from command_line import refused, run

import flopsight

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


@pytest.mark.usefixtures("net")
class TestModel:
    def test_the_table_is_printed(self, capsys) -> None:
        code, out, err = run(capsys, "cli_net.py:Net", *INPUT)
        assert (code, err) == (0, "")
        assert out.startswith("Net (cli_net.py:Net) on float32[1, 3, 10, 10]\n")
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
        (["cli_net.py:Net"], "cli_net.py:Net needs inputs (its forward takes x); give one for each argument"),
        (["cli_net.py:Net", "--input", "1,4,10,10"], "module 'conv' (Conv2d): RuntimeError: Given groups=1"),
        (["cli_net.py:Net", "--input", "1,4,10,10"], "called with (float32[1, 4, 10, 10])"),
        (["cli_net.py:Net", *INPUT, "--kwargs", '{"y": 1}'], "unexpected keyword argument 'y'"),
        (["cli_net.py:Net", "--input", "1,3,10,10:float23"], "no dtype 'float23'"),
        (["cli_net.py:Nte", *INPUT], "no 'Nte'. Did you mean 'Net'"),
        (["cli_net.py:Net(widht=8)", *INPUT], "unexpected keyword argument 'widht'"),
        (["cli_net.py:Net(width)", *INPUT], "write literals by name"),
        (["cli_net.py:number", *INPUT], "is a int, not a model"),
        (["cli_net.py", *INPUT], "defines Net, Values, Huge, Unknown, ready; say which"),
        (["cli_net:Net", "--input", "1,a-b"], "--input '1,a-b' is no shape"),
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
        assert "<table " in Path("net.html").read_text()
        assert table.startswith("Net (cli_net.py:Net), module head")

    def test_options_reach_the_table(self, capsys) -> None:
        given = ["--by", "operator", "--columns", "macs, exact", "--sort", "macs"]
        lines = run(capsys, "cli_net.py:Net", *INPUT, *given)[1].splitlines()
        assert lines[1].split() == ["operator", "MACs", "exact", "operations"]
        assert lines[3].split()[0] == "aten::convolution"
        assert len(run(capsys, "cli_net.py:Net", *INPUT, "--depth", "0")[1].split("\n\n")[0].splitlines()) == 4
        assert "weights MACs" in run(capsys, "cli_net.py:Net", *INPUT, "--count", "weights")[1]
