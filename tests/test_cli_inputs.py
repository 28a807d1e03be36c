"""What the command makes of `--input` and `--kwargs`."""

from __future__ import annotations

import pytest
from command_line import run

NET = """
from torch import nn

class Resize(nn.Module):
    def forward(self, x, size):
        return nn.functional.interpolate(x, size=size, mode="bilinear")
"""


@pytest.fixture
def resize(tmp_path):
    path = tmp_path / "resize_net.py"
    path.write_text(NET)
    return str(path)


def test_lists_in_kwargs_are_lists(capsys, resize):
    code, out, err = run(capsys, resize, "--input", "1,3,8,8", "--kwargs", '{"size": [16, 16]}')
    assert (code, err) == (0, "")
    assert "[16, 16]" in out.splitlines()[0]
