from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from compat.small import IMAGE, Block, ByValue, convnet, state
from torch import nn

from flopsight.compat.torchstat import ModelStat, round_value, stat

RECORDED = Path(__file__).parent / "recorded_torchstat.txt"
"""What torchstat 0.0.7 prints of `convnet()`, with DataFrame.append put back into pandas 3.1 for it."""


def without_durations(text: str) -> str:
    return re.sub(r" +\d+\.\d\d%", " %", text)


def test_the_table_is_the_originals_but_for_its_wrong_totals(capsys: pytest.CaptureFixture[str]) -> None:
    model = convnet()
    before = state(model)
    stat(model, IMAGE)
    theirs = RECORDED.read_text()
    last_layer, all_layers = "     404.0         20.0", "   24516.0      20308.0"  # it totals the last row's bytes
    corrected = re.sub(rf"(?<=49,680\.0  ){last_layer}", all_layers, theirs)
    assert corrected != theirs
    assert without_durations(capsys.readouterr().out) == without_durations(corrected)
    assert state(model) == before


def test_durations_are_measured() -> None:
    class Slow(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.device.type != "meta" and type(x) is torch.Tensor:
                torch.zeros(300, 300) @ torch.zeros(300, 300)
            return x

    stats = ModelStat(nn.Sequential(Slow(), nn.Identity()), IMAGE)._analyze_model()
    slow, identity = (row.duration for row in stats)
    assert slow > 3 * identity > 0


def test_functions_have_a_row_of_their_own() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(Block(4), nn.ReLU())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.block(x))

    rows = ModelStat(Net(), (2, 3, 4))._analyze_model()
    elements = 2 * 3 * 4
    assert [(row.name, row.flops) for row in rows] == [
        ("(functional)", elements),
        ("block.0.(functional)", elements * 4),
        ("block.0.linear", elements * 4),
        ("block.0.act", 2 * elements),
        ("block.1", elements),
    ]


def test_granularity_sums_up_layers_that_lie_together() -> None:
    fine, coarse = (ModelStat(convnet(), IMAGE, depth)._analyze_model() for depth in (1, 2))
    assert [row.name for row in fine] == ["0", "1", "2", "3", "4.0", "4.1", "5", "6"]
    assert [row.name for row in coarse] == ["0", "1", "2", "3", "4", "5", "6"]
    assert coarse[4].flops == fine[4].flops + fine[5].flops
    assert (coarse[4].input_shape, coarse[4].output_shape) == ((6, 8, 8), (4, 2, 2))
    for figure in ("params", "madd", "flops", "read", "written"):
        assert sum(getattr(row, figure) for row in coarse) == sum(getattr(row, figure) for row in fine)


@pytest.mark.parametrize(
    ("model", "size", "sentence"),
    [
        (len, IMAGE, "torch.nn.Module"),
        (convnet(), (3, 16), "channels, height, width"),
        (convnet(), 3, "without the batch"),
    ],
)
def test_wrong_arguments_raise_what_the_original_raises(model: Any, size: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        stat(model, size)


def test_a_model_without_values_has_no_durations(capsys: pytest.CaptureFixture[str]) -> None:
    with torch.device("meta"):
        model = convnet()
    with pytest.warns(UserWarning, match="durations are 0"):
        stat(model, IMAGE)
    assert "Total Flops: 49.68KFlops" in capsys.readouterr().out


def test_control_flow_that_needs_values_is_run() -> None:
    rows = ModelStat(ByValue(), (2, 3, 4))._analyze_model()
    assert next(row.flops for row in rows if row.name == "block.linear") in (2 * 3 * 4 * 4, 2 * 2 * 3 * 4 * 4)


@pytest.mark.parametrize(
    ("value", "binary", "text"),
    [
        (999, False, "999"),
        (92699, False, "92.7K"),
        (1429567512, False, "1.43G"),
        (44824, True, "43.77K"),
        (0, True, "0"),
    ],
)
def test_round_value(value: int, binary: bool, text: str) -> None:
    assert round_value(value, binary) == text


@pytest.fixture
def net_file(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\nclass Net(nn.Conv2d):\n    def __init__(self):\n        super().__init__(3, 2, 3)\n"
    )
    return path


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flopsight.compat.torchstat", *arguments], capture_output=True, text=True, check=False
    )


def test_the_command_line(net_file: Path) -> None:
    said = command("-f", str(net_file), "-m", "Net", "-s", "3x8x8")
    assert said.returncode == 0, said.stderr
    assert f"Total params: {2 * 3 * 3 * 3 + 2}" in said.stdout


def test_a_wrong_command_line_says_why_in_a_line(net_file: Path) -> None:
    said = command("-f", str(net_file), "-m", "Nett")
    assert said.returncode == 2
    assert said.stderr == f"torchstat: {net_file} defines no 'Nett'. Did you mean 'Net'?\n"
