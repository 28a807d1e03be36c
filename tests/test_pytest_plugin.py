"""The pytest plugin, in test suites of its own; it is named explicitly, whether or not it is installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

HEAD = """
import pytest
import torch
from torch import nn


def net(width=4):
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 8))

"""
MACS = 2 * 2 * 8 * 4  # two layers, two examples
PARAMS = 8 * 4 + 4 + 4 * 8 + 8


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("CI", raising=False)


def suite(pytester: pytest.Pytester, body: str, *options: str) -> pytest.RunResult:
    """A run in a process of its own: what an inner run loads is forgotten after it, and PyTorch is not loaded twice."""
    pytester.makepyfile(test_net=HEAD + body)
    return pytester.runpytest_subprocess("-p", "flopsight.pytest_plugin", "-p", "no:cacheprovider", *options)


def test_figures_are_compared_as_numbers(pytester: pytest.Pytester) -> None:
    result = suite(pytester, f"""
def test_net(cost):
    found = cost(net(), (2, 8))
    assert found.macs == {MACS} and found.flops == {2 * MACS} and found.total("macs") <= 4e9
    assert found.params == {PARAMS} and found.params.trainable == {PARAMS} and found.params.nbytes == {4 * PARAMS}
    assert found.total("macs", phase="backward") == 0 and type(found.macs + 1) is int
    assert found["0"].macs == {MACS // 2} and found.by_module()["0"].macs == {MACS // 2}
    assert str(found).startswith("Sequential on") and repr(found.macs) == "{MACS}"
    assert cost(net(), (2, 8), memory=True).memory.peak_bytes > 0
""")  # fmt: skip
    result.assert_outcomes(passed=1)
    assert not (pytester.path / "costs").exists()


FAILING = {
    f"found.macs <= {MACS - 1}": [
        f"*assert {MACS} <= {MACS - 1}", f"*MACs of Sequential: {MACS}, which is 1 more than {MACS - 1}", "*Largest:",
        "*0 (Linear) 64, 50.0%", "*2 (Linear) 64, 50.0%",
    ],
    "50 > found.params": [
        f"*assert 50 > {PARAMS}", f"*parameters of Sequential: {PARAMS}, which is {PARAMS - 50} more than 50",
    ],
    "found.total('exact') == 1e3": ["*exact operations of Sequential: *less than 1,000"],
    f"found.flops != {2 * MACS}": [f"*FLOPs of Sequential: {2 * MACS}"],
    "found.macs > float('inf')": [f"*assert {MACS} > inf", "*Largest:"],
}  # fmt: skip


def test_a_failed_comparison_names_modules_and_others_are_left_alone(pytester: pytest.Pytester) -> None:
    tests = [
        f"def test_{number}(cost):\n    found = cost(net(), (2, 8))\n    assert {assertion}\n"
        for number, assertion in enumerate([*FAILING, "found.macs == 'many'"])
    ]
    result = suite(pytester, "\n".join(tests))
    result.assert_outcomes(failed=len(FAILING) + 1)
    result.stdout.fnmatch_lines([f"E {line}" for lines in FAILING.values() for line in lines])
    assert str(result.stdout).count("MACs of Sequential") == 2


GROWTH = """
import os
@pytest.mark.parametrize("rows", [2, 3])
def test_net(cost, rows):
    cost.as_before(net(int(os.environ["WIDTH"])), (rows, 8), tolerance=0.1)

class TestMore:
    def test_limit(self, cost):
        cost(net(), (2, 8))
        assert cost(net(int(os.environ["WIDTH"])), (2, 8)).macs <= 128
"""


def test_a_baseline_is_written_and_held(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIDTH", "4")
    result = suite(pytester, GROWTH)
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(["*costs?test_net.json does not say what Sequential cost before. Write it down with:*"])
    suite(pytester, GROWTH, "--cost-update").assert_outcomes(passed=3)
    costs = json.loads((pytester.path / "costs" / "test_net.json").read_text())["costs"]
    assert costs.keys() == {"test_net[2]", "test_net[3]", "TestMore::test_limit", "TestMore::test_limit #2"}
    assert costs["test_net[2]"]["total"] == {
        "macs": MACS, "flops": 2 * MACS, "exact": 2 * MACS + 2 * 4, "params": PARAMS,
    }  # fmt: skip
    before = (pytester.path / "costs" / "test_net.json").stat().st_mtime_ns
    suite(pytester, GROWTH).assert_outcomes(passed=3)
    suite(pytester, GROWTH, "--cost-update").assert_outcomes(passed=3)
    assert (pytester.path / "costs" / "test_net.json").stat().st_mtime_ns == before


def test_what_grew_is_named(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIDTH", "4")
    suite(pytester, GROWTH, "--cost-update")
    monkeypatch.setenv("WIDTH", "5")
    result = suite(pytester, GROWTH)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines([
        "*Sequential costs more than in *test_net.json.",
        "*MACs: 160, which is 20 (+14.3%) over 140. Grew: 0 (Linear) +16*",
        "*If that is meant, write it down with: pytest --cost-update",
        "*assert 160 <= 128", "*Grew since the baseline was written:", "*0 (Linear) +16 (+25.0%)",
    ])  # fmt: skip
    monkeypatch.setenv("WIDTH", "3")
    suite(pytester, GROWTH).assert_outcomes(passed=3)


def test_figures_of_ones_own_choice_are_held(pytester: pytest.Pytester) -> None:
    body = "def test_net(cost):\n    cost.as_before(net(), (2, 8), figures=('thop', 'peak'), memory=True)\n"
    suite(pytester, body, "--cost-update").assert_outcomes(passed=1)
    suite(pytester, body).assert_outcomes(passed=1)


UNKNOWN = """
torch.library.define("flopsight_plugin_test::opaque", "(Tensor x) -> Tensor")
torch.library.impl("flopsight_plugin_test::opaque", ["CPU", "Meta"], lambda x: x.new_empty(x.shape))

def opaque(x):
    return torch.ops.flopsight_plugin_test.opaque(x)

def test_refused(cost):
    assert cost(opaque, (2, 8)).macs <= 10

def test_allowed(cost):
    assert cost(opaque, (2, 8), unknown=1).macs <= 10
"""


def test_lower_bounds_are_held_to_no_limit(pytester: pytest.Pytester) -> None:
    result = suite(pytester, UNKNOWN)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        ["*1 call of unknown cost (flopsight_plugin_test::opaque): the figures of opaque are lower*"]
    )


def test_formulas_are_refused(pytester: pytest.Pytester) -> None:
    result = suite(pytester, "def test_net(cost):\n    cost(net(), ('batch', 8))\n")
    result.stdout.fnmatch_lines(["*InputError: A test holds numbers, and these are formulas*"])


def test_baselines_are_not_written_by_several_processes(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    result = suite(pytester, "def test_net():\n    pass\n", "--cost-update", "-p", "xdist", "-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*run it in one process, without -n*"])


def test_a_suite_that_does_not_ask_loads_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys
        def test_nothing_is_loaded():
            assert "flopsight.pytest_plugin" in sys.modules
            loaded = {name for name in sys.modules if name.startswith("flopsight.")}
            assert loaded == {"flopsight.pytest_plugin"} and not {"torch", "rich"} & set(sys.modules)
    """)
    result = pytester.runpytest_subprocess("-p", "flopsight.pytest_plugin", "-W", "error")
    result.assert_outcomes(passed=1)


def test_a_fixture_of_the_same_name_of_the_suites_own_stands(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef cost():\n    return 7\n")
    suite(pytester, "def test_own(cost):\n    assert cost == 7\n").assert_outcomes(passed=1)


def test_the_plugin_is_announced_to_pytest() -> None:
    if sys.version_info < (3, 11):
        pytest.skip("tomllib is of Python 3.11")
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"flopsight": "flopsight.pytest_plugin"}
    (everything,) = project["optional-dependencies"]["all"]
    others = project["optional-dependencies"].keys() - {"all"}
    assert everything == f"flopsight[{','.join(sorted(others))}]"
