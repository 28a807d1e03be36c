"""Programs made by `torch.export`, in memory and in a file."""

from __future__ import annotations

import pytest
import torch
from command_line import refused, run
from torch import nn

from flopsight import profile


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())

    def forward(self, x, *, factor):
        return self.layers(x) * factor


@pytest.fixture(scope="module")
def program():
    return torch.export.export(Scaled().eval(), (torch.randn(2, 3, 8, 8),), {"factor": torch.ones(1)})


MACS = 2 * 4 * 6 * 6 * 3 * 3 * 3


@pytest.mark.parametrize("execute", [False, True])
def test_a_program_is_run_on_its_own_inputs(program, execute):
    found = profile(program, execute=execute)
    original = profile(Scaled().eval(), (2, 3, 8, 8), kwargs={"factor": (1,)}, execute=execute)
    assert found.macs == original.macs == MACS
    assert found.total("exact") == original.total("exact")
    assert found.about["inputs"] == ["float32[2, 3, 8, 8]", {"factor": "float32[1]"}]


def test_a_program_is_run_on_inputs_that_are_given(program):
    given = profile(program, (2, 3, 8, 8), kwargs={"factor": (1,)}, backward=True)
    assert given.total("macs", phase="forward") == MACS < given.macs


def test_a_program_in_a_file(capsys, tmp_path, program):
    path = tmp_path / "scaled.pt2"
    torch.export.save(program, path)
    code, out, _ = run(capsys, str(path))
    assert code == 0
    assert f"{MACS:,}  multiply-accumulates" in out
    assert "takes no arguments and no other mode" in refused(capsys, str(path), "--train")


def test_files_that_hold_no_program(capsys, tmp_path):
    path = tmp_path / "other.pt2"
    assert "There is no file" in refused(capsys, str(path))
    path.write_text("text")
    assert "cannot be read as a program of torch.export" in refused(capsys, str(path))
