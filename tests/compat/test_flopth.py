from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from compat.small import IMAGE, Block, convnet, state
from torch import nn

from flopsight.compat import flopth as shim
from flopsight.compat._grid import grid
from flopsight.compat.flopth import flopth
from flopsight.errors import InputError

WIDTH = 4
CONV = 3 * 3 * 3 * 3 * 112 * 112 + 3 * 112 * 112  # weights of a 3x3 convolution at every position, and its biases


def conv() -> nn.Module:
    return nn.Conv2d(3, 3, 3, padding=1)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = conv(), conv()

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"x": self.first(x), "y": self.second(y)}


@pytest.mark.parametrize("in_size", [[3, 112, 112], (3, 112, 112), [[3, 112, 112]], ((3, 112, 112),), [(3, 112, 112)]])
def test_every_way_to_give_one_size(in_size: Any) -> None:
    assert flopth(conv(), in_size=in_size, bare_number=True) == (CONV, 3 * 3 * 3 * 3 + 3)


@pytest.mark.parametrize("in_size", [[[3, 112, 112]] * 2, ((3, 112, 112), (3, 112, 112))])
def test_several_inputs(in_size: Any) -> None:
    assert flopth(Two(), in_size, bare_number=True)[0] == 2 * CONV
    assert flopth(Two(), inputs=(torch.zeros(1, 3, 112, 112),) * 2, bare_number=True)[0] == 2 * CONV


@pytest.mark.parametrize("default", [{}, {"in_size": None}])
def test_the_default_size_and_texts(default: Any) -> None:
    assert flopth(conv(), **default) == ("4.21478M", "84.0")


def test_inputs_may_be_one_tensor_and_hold_a_batch() -> None:
    assert flopth(conv(), inputs=torch.zeros(2, 3, 112, 112), bare_number=True)[0] == 2 * CONV


def test_dtype_is_that_of_the_inputs() -> None:
    class Typed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.dtype is torch.float64
            return torch.relu(x)

    assert flopth(Typed(), [WIDTH], dtype="float64", bare_number=True) == (WIDTH, 0)


def test_functions_and_every_call_of_a_layer_count() -> None:
    flops, params = flopth(Block(WIDTH), [WIDTH], bare_number=True)
    assert flops == 2 * WIDTH * WIDTH + 2 * WIDTH
    assert params == WIDTH * WIDTH + WIDTH


def test_param_dict_is_said_to_make_no_difference() -> None:
    with pytest.warns(UserWarning, match="flopth: param_dict makes no difference"):
        flopth(conv(), param_dict={"flops": {}})


@pytest.mark.usefixtures("torchvision")
def test_the_table_is_the_originals(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("flopth")
    code = (
        "from flopsight.sources.torchvision_operators import torchvision_importable\n"
        "with torchvision_importable(): from flopth import flopth\n"
        "from compat.small import IMAGE, convnet\n"
        "print(flopth(convnet(), in_size=[IMAGE], show_detail=True))"
    )
    tests = Path(__file__).parents[1]
    said = subprocess.run([sys.executable, "-c", code], cwd=tests, capture_output=True, text=True, check=True).stdout
    model = convnet()
    before = state(model)
    print(flopth(model, in_size=[IMAGE], show_detail=True))
    kept = [line for line in said.splitlines() if "is not supported at now" not in line]
    assert capsys.readouterr().out.splitlines() == kept
    assert state(model) == before


def test_the_table_shows_functions_in_a_row_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    flopth(Block(WIDTH), [WIDTH], show_detail=True)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    cells = [row for row in rows if row]
    assert cells[1][:4] == ["(functional)", "(functional)", "", ""]
    assert [row[0] for row in cells[2:]] == ["linear", "act"]
    assert cells[1][8] == "16"


TABLES = [
    [["a", "84.0", "25.0%", ""], ["b.c", "84.5", "2%", "#"]],
    [["a", "1.0", "", "10.25"], ["b", "100.125", "", "3.0"]],
    [["a long name", "1.234K", "x", "1e9"]],
]


@pytest.mark.parametrize("rows", TABLES)
def test_grids_are_tabulates(rows: list[list[str]]) -> None:
    tabulate = pytest.importorskip("tabulate").tabulate
    headers = ("module_name", "params", "p", "flops")
    assert grid(rows, headers) == tabulate(rows, headers=headers, tablefmt="grid")


NUMBERS = [0, 1, 999, 1000, 1001, 23296, 10**6, 4214784, 10**9, 15503514112]


@pytest.mark.usefixtures("torchvision")
def test_texts_are_the_originals() -> None:
    pytest.importorskip("flopth")
    from flopth.utils import divide_by_unit

    assert [shim.divide_by_unit(number) for number in NUMBERS] == [divide_by_unit(number) for number in NUMBERS]


@pytest.fixture
def net_file(tmp_path: Path) -> str:
    path = tmp_path / "my_net.py"
    path.write_text(
        "from torch import nn\n"
        "from beside import WIDTH\n"
        "class Net(nn.Linear):\n"
        "    def __init__(self, out=1, name='n'):\n"
        "        super().__init__(WIDTH, out)\n"
        "net = Net(out=3)\n"
    )
    (tmp_path / "beside.py").write_text("WIDTH = 4\n")
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["-m", "Net"], 1),
        (["-m", "Net", "-x", "out=int:5", "name=str:a"], 5),
        (["-n", "6"], 3),
        (["--class_name", "Net", "--dtype", "float32"], 1),
    ],
)
def test_the_command_line(arguments: list[str], out: int, net_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    shim.main([*arguments, "-p", net_file, "-i", str(WIDTH), "--bare_number"])
    *table, flops, params = capsys.readouterr().out.splitlines()
    assert table[0].startswith("+--")
    assert (flops, params) == (f"FLOPs: {WIDTH * out}", f"Params: {WIDTH * out + out}")


@pytest.mark.usefixtures("torchvision")
def test_the_command_line_knows_torchvision() -> None:
    command = [sys.executable, "-m", "flopsight.compat.flopth", "-m", "squeezenet1_0"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    recorded = json.loads((Path(__file__).parent / "recorded.json").read_text())["flopth"]["squeezenet1_0"]
    assert said.endswith(f"FLOPs: {shim.divide_by_unit(recorded['flops'])}\nParams: {recorded['params'] / 1e6:.6}M\n")


def test_the_command_line_without_a_model_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    shim.main([])
    assert "--class_name" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (["-m", "Ne"], InputError, "Did you mean 'Net'"),
        (["-n", "1"], InputError, "Line 1 of .* is 'from torch import nn'"),
        (["-n", "99"], InputError, "Line 99"),
        (["-m", "Net", "-x", "out=5"], AssertionError, "names no type"),
    ],
)
def test_a_wrong_command_line_says_why(
    arguments: list[str], error: type[Exception], sentence: str, net_file: str
) -> None:
    with pytest.raises(error, match=sentence):
        shim.main([*arguments, "-p", net_file])


def test_a_class_without_a_file_says_to_give_it() -> None:
    with pytest.raises(AssertionError, match="give its file with -p"):
        shim.main(["-m", "NoSuchNet"])
    with pytest.raises(InputError, match="There is no Python file"):
        shim.main(["-m", "NoSuchNet", "-p", "no/such.py"])
