"""The shims' figures on real models: the original's to the unit, or apart by exactly what the reasons say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from compat.differences import FIGURES, Row, rows
from compat.originals import IMAGE, MODELS, RECORDED, build

from flopsight.compat.flopth import flopth
from flopsight.compat.ptflops import get_model_complexity_info
from flopsight.compat.thop import profile
from flopsight.compat.torchstat import ModelStat

pytestmark = pytest.mark.usefixtures("torchvision")

TESTS = Path(__file__).parents[1]
RECORD = json.loads(RECORDED.read_text())


@pytest.fixture(scope="module")
def expected() -> dict[tuple[str, str, str], Row]:
    return {(row.tool, row.figure, row.model): row for row in rows()}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("tool", "figure"), FIGURES)
def test_figures_are_the_originals_or_explained(
    tool: str, figure: str, model: str, expected: dict[tuple[str, str, str], Row]
) -> None:
    row = expected[tool, figure, model]
    assert row.ours - sum(row.reasons.values()) == row.original


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:torchstat. a model on the meta device")
def test_shims_return_these_figures(name: str, expected: dict[tuple[str, str, str], Row]) -> None:
    model = build(name)
    params = RECORD["thop"][name]["params"]

    def ours(tool: str, figure: str) -> int:
        return expected[tool, figure, name].ours

    assert profile(model, (torch.zeros(1, *IMAGE),)) == (ours("thop", "macs"), params)
    assert flopth(model, in_size=[list(IMAGE)], bare_number=True) == (ours("flopth", "flops"), params)
    for backend, tool in (("pytorch", "ptflops"), ("aten", "ptflops_aten")):
        said = get_model_complexity_info(model, IMAGE, False, as_strings=False, backend=backend)
        assert said == (ours(tool, "macs"), params)
    stats = ModelStat(model, IMAGE)._analyze_model()
    totals = {name: sum(getattr(row, name) for row in stats) for name in ("madd", "flops", "read", "written", "params")}
    assert totals == {
        "params": params,
        **{figure: ours("torchstat", figure) for figure in ("madd", "flops", "read", "written")},
    }


@pytest.mark.parametrize("tool", ["thop", "ptflops", "ptflops_aten", "flopth"])
def test_recorded_figures_are_what_the_originals_say_today(tool: str) -> None:
    pytest.importorskip(tool.partition("_")[0])
    command = [sys.executable, "-W", "ignore", "-m", "compat.originals", tool]
    said = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == RECORD[tool]


@pytest.mark.parametrize("tool", ["thop", "ptflops", "flopth", "torchstat"])
def test_all_agree_on_parameters(tool: str) -> None:
    assert {name: said["params"] for name, said in RECORD[tool].items()} == {
        name: said["params"] for name, said in RECORD["thop"].items()
    }
