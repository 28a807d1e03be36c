"""`flopsight check`: budgets in a file, held, exceeded, written wrong, and their baselines."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import refused, run

from flopsight.sources.python import _from_file

NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.head = nn.Linear(8, width)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)
"""
UNKNOWN = """
import torch

torch.library.define("flopsight_check_test::opaque", "(Tensor x) -> Tensor")
torch.library.impl("flopsight_check_test::opaque", ["CPU", "Meta"], lambda x: x.new_empty(x.shape))


class Unknown(torch.nn.Module):
    def forward(self, x):
        return torch.ops.flopsight_check_test.opaque(x) @ x
"""
MACS = 2 * 8 * 8 * 4  # of two examples
PARAMS = 4 * (8 * 8 + 8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "check_net.py").write_text(NET)
    (tmp_path / "check_unknown.py").write_text(UNKNOWN)
    return tmp_path


def budget(text: str, name: str = '"check_net.py:Net"') -> None:
    Path("pyproject.toml").write_text(f'[tool.flopsight.budget.{name}]\ninput = "2,8"\n{text}\n')


@pytest.mark.usefixtures("folder")
class TestLimits:
    @pytest.mark.parametrize("limits", [
        f"macs = {MACS}", f"macs = '{MACS}'", f"macs = {MACS}.0", "macs = '0.512k'", "macs = '5.12e2'",
        f"params = {PARAMS}", f"flops = {2 * MACS}", "exact = '1.1k'", "peak = '1GiB'", "peak = 100_000", "calls = 9",
        "unknown = 0", f"thop = {MACS}", f"macs = {MACS}\nparams = {PARAMS}\nunknown = 0",
    ])  # fmt: skip
    def test_a_budget_that_holds(self, capsys, limits) -> None:
        budget(limits)
        code, out, err = run(capsys, "check")
        assert (code, err) == (0, "")
        assert out.startswith("the budget holds\n")

    @pytest.mark.parametrize(("limits", "words"), [
        (f"macs = {MACS - 1}", "MACs: 512, which is 1 (+0.2%) over 511. Largest: blocks.0-2 (Linear, 3 x) 384, 75.0%"),
        (f"params = {PARAMS - 8}", f"parameters: {PARAMS}, which is 8 (+2.9%) over {PARAMS - 8}. Largest: blocks.0-2"),
        ("peak = 1", "bytes, which is"), ("calls = 0", "operator calls: "), ("macs = 0", "512 over 0. Largest"),
    ])  # fmt: skip
    def test_one_that_is_exceeded_names_modules(self, capsys, limits, words) -> None:
        budget(limits)
        code, out, _ = run(capsys, "check")
        assert code == 1
        assert out.startswith("the budget does not hold\n")
        assert words in out

    def test_a_lower_bound_is_not_said_to_hold(self, capsys, monkeypatch) -> None:
        Path("pyproject.toml").write_text(
            '[tool.flopsight.budget.low]\nmodel = "check_unknown.py:Unknown"\ninput = "2,2"\nmacs = 100\n'
        )
        monkeypatch.setattr("flopsight.sources.python._from_file", cache(_from_file))  # what it registers, it may once
        code, out, _ = run(capsys, "check")
        assert code == 1
        assert (
            "low: MACs: at least 8, and whether that is all cannot be said: flopsight_check_test::opaque unknown" in out
        )
        with Path("pyproject.toml").open("a") as file:
            file.write("unknown = 1\n")
        assert run(capsys, "check")[0] == 0

    def test_a_model_that_fails_fails_and_the_others_are_checked(self, capsys) -> None:
        budget("macs = 1000", '"check_net.py:Nte"')
        with Path("pyproject.toml").open("a") as file:
            file.write(f'[tool.flopsight.budget."check_net.py:Net"]\ninput = "2,8"\nparams = {PARAMS}\n')
        code, out, _ = run(capsys, "check")
        assert code == 1
        assert out.startswith("1 of 2 budgets hold\n")
        assert "check_net.py:Nte: check_net.py has no 'Nte'. Did you mean 'Net'?" in out
        assert run(capsys, "check", "check_net.py:Net")[0] == 0

    def test_formulas_are_no_figures(self, capsys) -> None:
        budget("model = 'check_net.py:Net'\nmacs = 1", "form")
        Path("pyproject.toml").write_text(Path("pyproject.toml").read_text().replace('"2,8"', '"batch,8"'))
        code, out, _ = run(capsys, "check")
        assert code == 1
        assert "form: its figures are formulas, and a budget is a number" in out

    def test_options_are_those_of_the_command_line(self, capsys) -> None:
        budget(f"backward = true\ntrain = false\noptimizer = 'sgd'\nmacs = {3 * MACS - 2 * 8 * 8}\n")
        assert run(capsys, "check")[0] == 0
        budget(f"model = 'check_net.py:Net(width=16)'\nkwargs = {{}}\nmacs = {MACS + 2 * 8 * 8}", "wide")
        assert run(capsys, "check")[0] == 0

    def test_the_file_is_found_above_and_models_are_from_it(self, capsys, folder, monkeypatch) -> None:
        budget(f"macs = {MACS}")
        (folder / "deep" / "er").mkdir(parents=True)
        monkeypatch.chdir(folder / "deep" / "er")
        assert run(capsys, "check")[0] == 0
        assert Path.cwd() == folder / "deep" / "er"
        (folder / "other.toml").write_text((folder / "pyproject.toml").read_text().replace(str(MACS), "1"))
        assert run(capsys, "check", "--config", "../../other.toml")[0] == 1


@pytest.mark.usefixtures("folder")
class TestWrittenWrong:
    @pytest.mark.parametrize(("text", "sentence"), [
        ("mcas = 1", "The budget 'check_net.py:Net': there is no 'mcas'. Did you mean 'macs'"),
        ("inputs = '1'\nmacs = 1", "there is no 'inputs'. Did you mean 'input'"),
        ("macs = '4.1X'", "macs: '4.1X' is no count; write 4.1G"), ("macs = -1", "macs: '-1' is no count"),
        ("macs = true", "macs is True; write a number"), ("macs = nan", "is no count"), ("macs = inf", "is no count"),
        ("macs = [1]", "macs is [1]; write a number"), ("peak = '3 apples'", "no size of memory"),
        ("macs = 1\nbatch = 'two'", "argument --batch: 'two' is no number of at least 1"),
        ("macs = 1\nbackward = 'yes'", "backward is 'yes'; write true or false"),
        ("macs = 1\nseq = [true]", "seq is [True]; write it as on the command line"),
        ("macs = 1\nkwargs = '{'", "is not JSON"), ("macs = 1\nmodel = 3", "model is 3; write text"),
        ("", "it has no limit; give one"), ("tolerance = '1%'\nmacs = 1", "tolerance is of a baseline"),
        ("figures = ['macs']\nmacs = 1", "figures is of a baseline"), ("baseline = 1", "baseline is 1; write text"),
        ("baseline = 'c.json'\ntolerance = 'x'", "tolerance: 'x' is no part; write 1%"),
        ("baseline = 'c.json'\nfigures = 'macs'", "figures is 'macs'; write a list"),
        ("baseline = 'c.json'\nfigures = ['mac']", "no figure 'mac'"),
        ("macs = 1\nmacs = 2", "pyproject.toml cannot be read"),
    ])  # fmt: skip
    def test_mistakes_get_one_sentence(self, capsys, text, sentence) -> None:
        budget(text)
        assert sentence in refused(capsys, "check")

    @pytest.mark.parametrize(("text", "sentence"), [
        ("", "has no budget. Write one as [tool.flopsight.budget"), ("[tool]\nflopsight = 3", "has no budget"),
        ("tool = 3", "has no budget"), ("[tool.flopsight]\nbudget = 3", "has no budget"),
        ("[tool.flopsight.budget]\nx = 3", "The budget 'x': it is no table"), ("[", "cannot be read"),
        ('[tool.flopsight.budget.x]\ninput = "a-b"\nmacs = 1', "--input 'a-b' is no shape"),
    ])  # fmt: skip
    def test_files_without_budgets_get_one_sentence(self, capsys, text, sentence) -> None:
        Path("pyproject.toml").write_text(text)
        assert sentence in refused(capsys, "check")

    def test_names_and_files_that_are_not_there(self, capsys) -> None:
        assert "There is no pyproject.toml in" in refused(capsys, "check")
        budget("macs = 1")
        assert "has no budget 'check_net.py:Nte'. Did you mean 'check_net.py:Net'" in refused(
            capsys, "check", "check_net.py:Nte"
        )
        assert "nowhere.toml cannot be read: No such file" in refused(capsys, "check", "--config", "nowhere.toml")
        assert "no folder" in refused(capsys, "check", "--badge", "no/b.svg")
        assert "No budget has a baseline to write" in refused(capsys, "check", "--update")


@pytest.mark.usefixtures("folder")
class TestBaselines:
    def test_a_baseline_is_written_held_and_written_anew(self, capsys) -> None:
        budget("baseline = 'costs/all.json'\ntolerance = '1%'", "net")
        Path("pyproject.toml").write_text(Path("pyproject.toml").read_text() + 'model = "check_net.py:Net"\n')
        code, out, _ = run(capsys, "check")
        assert code == 1
        assert "all.json has no baseline of it" in out
        code, out, _ = run(capsys, "check", "--update")
        assert code == 0
        assert out.startswith(f"net: MACs {MACS}, FLOPs 1.024 k, ")
        assert json.loads(Path("costs/all.json").read_text())["costs"]["net"]["total"]["macs"] == MACS
        assert run(capsys, "check")[0] == 0
        Path("pyproject.toml").write_text(Path("pyproject.toml").read_text().replace(":Net", ":Net(width=9)"))
        code, out, _ = run(capsys, "check")
        assert code == 1
        assert f"net: MACs: {MACS + 16}, which is 11 (+2.1%) over {MACS * 101 // 100}. Grew: head (Linear) +16" in out
        assert "net: MACs 512 -> 528 (+3.1%)" in run(capsys, "check", "--update")[1]
        assert run(capsys, "check")[0] == 0

    def test_figures_are_chosen(self, capsys) -> None:
        budget("baseline = 'costs.json'\nfigures = ['params', 'peak']")
        assert run(capsys, "check", "--update")[0] == 0
        total = json.loads(Path("costs.json").read_text())["costs"]["check_net.py:Net"]["total"]
        assert total.keys() == {"params", "peak"}
        assert run(capsys, "check")[0] == 0

    def test_updating_one_leaves_the_others(self, capsys) -> None:
        budget("baseline = 'costs.json'")
        with Path("pyproject.toml").open("a") as file:
            file.write(
                '[tool.flopsight.budget.b]\nmodel = "check_net.py:Net"\ninput = "4,8"\nbaseline = "costs.json"\n'
            )
        run(capsys, "check", "--update")
        before = json.loads(Path("costs.json").read_text())["costs"]["b"]
        budget("baseline = 'costs.json'")
        run(capsys, "check", "--update")
        assert json.loads(Path("costs.json").read_text())["costs"]["b"] == before

    def test_what_cannot_be_measured_is_told_and_the_others_are_written(self, capsys) -> None:
        budget("baseline = 'costs.json'", '"check_net.py:Nte"')
        with Path("pyproject.toml").open("a") as file:
            file.write('[tool.flopsight.budget."check_net.py:Net"]\ninput = "2,8"\nbaseline = "costs.json"\n')
        code, out, _ = run(capsys, "check", "--update")
        assert code == 1
        assert "check_net.py:Nte: check_net.py has no 'Nte'" in out
        assert json.loads(Path("costs.json").read_text())["costs"].keys() == {"check_net.py:Net"}

    def test_a_damaged_file_is_told_before_anything_is_measured(self, capsys) -> None:
        budget("baseline = 'costs.json'")
        Path("costs.json").write_text("{")
        assert "costs.json holds no baselines" in refused(capsys, "check")


@pytest.mark.usefixtures("folder")
class TestWhereItIsShown:
    def test_a_pull_request_gets_a_summary_and_annotations(self, capsys, monkeypatch) -> None:
        budget("macs = 1")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
        Path("summary.md").write_text("before\n")
        code, out, _ = run(capsys, "check", "--github")
        assert code == 1
        summary = Path("summary.md").read_text()
        assert summary.startswith("before\n**the budget does not hold**\n")
        assert "| check\\_net.py:Net | MACs | 512 | 1 | 51200.0% | exceeded |" in summary
        last = out.splitlines()[-1]
        assert last.startswith(
            "::error title=flopsight%3A check_net.py%3ANet::check_net.py:Net: MACs: 512, which is 511 ("
        )
        assert "75.0%25" in last

    def test_a_badge_is_an_svg(self, capsys) -> None:
        pytest.importorskip("anybadge")
        budget(f"macs = {MACS}")
        assert run(capsys, "check", "--badge", "b.svg")[0] == 0
        texts = {element.text for element in ElementTree.parse("b.svg").iter() if element.tag.endswith("}text")}
        assert {"MACs", str(MACS)} <= texts

    def test_without_the_library_of_badges_a_sentence_says_what_to_install(self, capsys, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "anybadge", None)
        budget(f"macs = {MACS}")
        assert "pip install 'flopsight[badge]'" in refused(capsys, "check", "--badge", "b.svg")
