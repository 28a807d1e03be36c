"""The mutation check, thinned: with its result doubled, every formula has a test that goes red."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mutation import Verdict, mutants, report

from flopsight import Cost

ALL = Cost._make(range(2, 2 + len(Cost._fields)))


def test_no_formula_may_double_unseen() -> None:
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("mutation.py")), "--thin"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", Cost._fields)
def test_a_mutant_is_no_equal(name: str) -> None:
    changed = {mutant: change(ALL) for mutant, change in mutants(name).items()}
    assert len(changed) >= 3
    assert all(cost != ALL for cost in changed.values())
    assert all(change(Cost()) == Cost() for change in mutants(name).values())


def test_the_report_names_survivors() -> None:
    verdicts = {"matmul": Verdict(killed=3, survivors=["aten::mm: macs + 1"]), "loss": Verdict(killed=2)}
    lines = report(verdicts).splitlines()
    assert lines[-2].split() == ["all", "6", "5", "1"]
    assert lines[-1] == "survived  aten::mm: macs + 1"
