from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest
import torch
from compat.small import ByValue, convnet, state
from torch import nn
from torch.nn.utils import prune

from flopsight.compat.torchinfo import ModelStatistics, Units, summary
from flopsight.errors import InputError, ModelError

Pair = namedtuple("Pair", "left right")


def quiet(model: nn.Module, *arguments: Any, **named: Any) -> ModelStatistics:
    return summary(model, *arguments, verbose=0, **named)


def test_groups_have_a_column() -> None:
    result = quiet(nn.Conv2d(4, 8, 3, groups=2), (1, 4, 8, 8), col_names=("groups", "kernel_size"), col_width=10)
    row = str(result).splitlines()[3]
    assert row.split() == ["Conv2d", "2", "[3,", "3]"]


class Adds(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor, *, times: int = 1) -> dict[str, torch.Tensor]:
        assert times == 2
        return {"sum": x + y.float(), "left": x @ x.T * times}


X, Y = torch.zeros(3, 4), torch.zeros(3, 4, dtype=torch.long)


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({"input_size": [(3, 4), (3, 4)], "dtypes": [torch.float, torch.long]}, [(3, 4), (3, 4)]),
        ({"input_size": ((3, 4), (3, 4)), "dtypes": [torch.FloatTensor, torch.LongTensor]}, [(3, 4), (3, 4)]),
        ({"input_size": [(4,), (4,)], "batch_dim": 0, "dtypes": [torch.float, torch.long]}, [(4,), (4,)]),
        ({"input_data": [X, Y]}, [X.shape, Y.shape]),
        ({"input_data": {"x": X, "y": Y}}, {"x": X.shape, "y": Y.shape}),
        ({"input_data": X, "y": Y}, X.shape),
        ({"input_size": (3, 4), "y": Y}, [(3, 4)]),
        ({"input_data": Pair(X, Y)}, Pair(X.shape, Y.shape)),
    ],
)
def test_every_way_to_give_the_input(arguments: dict[str, Any], size: Any) -> None:
    result = quiet(Adds(), times=2, **arguments)
    rows = 1 if "batch_dim" in arguments else 3
    assert result.input_size == size
    assert result.total_mult_adds == rows * rows * 4
    assert result.summary_list[0].output_size == [rows, rows]
    of_x, of_y = rows * 4 * 4, rows * 4 * 8
    assert result.total_input == (of_x if "y" in arguments else of_x + of_y)


def test_one_shape_may_be_a_list_or_a_tuple() -> None:
    for size in ((2, 4), [2, 4], [(2, 4)], ((2, 4),), torch.Size((2, 4))):
        assert quiet(nn.Linear(4, 4), size).summary_list[0].output_size == [2, 4]


def test_batch_dim_says_where_the_batch_goes() -> None:
    assert quiet(nn.Identity(), (5, 6), batch_dim=1).summary_list[0].output_size == [5, 1, 6]
    assert quiet(nn.Identity(), (5, 6), batch_dim=-1).summary_list[0].output_size == [5, 6, 1]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mode", ["train", "eval", "same", None])
def test_the_mode_is_as_asked_and_restored(mode: str | None, training: bool) -> None:
    class Tells(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ x if self.training else x

    model = nn.Sequential(Tells()).train(training)
    ran = {"train": True, "same": training}.get(mode or "eval", False)
    assert quiet(model, (2, 2), mode=mode).total_mult_adds == (8 if ran else 0)
    assert model.training is model[0].training is training


def test_the_model_is_left_as_it_was() -> None:
    model = convnet()
    before = state(model)
    quiet(model, (1, 3, 16, 16))
    assert state(model) == before
    with pytest.raises(ModelError):
        quiet(model, (1, 4, 16, 16))
    assert state(model) == before


def test_a_model_that_needs_values_is_run() -> None:
    result = quiet(ByValue(), input_data=torch.ones(2, 4))
    assert [row.class_name for row in result.summary_list] == ["ByValue"] + 2 * ["Block", "Linear", "ReLU", "ReLU"]
    assert result.total_mult_adds == 2 * (2 * (4 * 4 + 4) + 2 * 4 * 4)


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_scripted_modules_have_rows() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    result = quiet(scripted, (2, 4))
    assert [row.class_name for row in result.summary_list] == ["Sequential", "Linear", "ReLU"]
    assert result.total_mult_adds == 2 * (4 * 4 + 4)


class Lazy(nn.Module):
    """Has a parameter whose shape its input decides."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.UninitializedParameter()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.weight = nn.Parameter(torch.zeros(x.shape[-1], 3))
        return x @ self.weight


def test_lazy_parameters_are_counted_once_they_have_a_shape() -> None:
    model = nn.Sequential(Lazy())
    assert quiet(model).total_params == 0
    result = quiet(model, (2, 5))
    assert result.total_params == 5 * 3
    assert [row.num_params for row in result.summary_list] == [5 * 3, 5 * 3]
    assert str(result).splitlines()[4].split()[-1] == "15"
    assert isinstance(model[0].weight, nn.UninitializedParameter)


def test_pruned_weights_leave_the_parameters_and_not_the_work() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False))
    prune.l1_unstructured(model[0], "weight", 0.5)
    result = quiet(model, (2, 4))
    assert result.total_params == 8
    assert result.total_mult_adds == 2 * 4 * 4


def test_units_can_be_chosen() -> None:
    result = quiet(nn.Linear(4, 4), (1000, 4))
    assert "Total mult-adds (M): 0.02" in str(result)
    result.formatting.macs_units = Units.NONE
    result.formatting.params_units = Units.KILOBYTES
    assert "Total mult-adds: 20,000" in str(result)
    assert "Total params (k): 0.02" in str(result)
    assert result.to_readable(4 * 10**12) == (Units.TERABYTES, 4.0)
    assert result.to_megabytes(5 * 10**5) == 0.5
    assert result.float_to_megabytes(10**6) == 4.0


def test_arguments_that_make_no_difference_say_so() -> None:
    with pytest.warns(UserWarning, match="cache_forward_pass makes no difference"):
        quiet(nn.Linear(2, 2), (1, 2), cache_forward_pass=True)
    with pytest.warns(UserWarning, match="device makes no difference"):
        quiet(nn.Linear(2, 2), (1, 2), device="cuda")
    quiet(nn.Linear(2, 2), (1, 2), device="cpu", cache_forward_pass=False)


WRONG = {
    "verbose": ({"verbose": 4}, ValueError, "verbose is 4; give 0"),
    "column": ({"col_names": ("mult_add",)}, ValueError, "no ColumnSettings 'mult_add'.*Did you mean 'mult_adds'"),
    "row": ({"row_settings": ("dept",)}, ValueError, "no RowSettings 'dept'.*Did you mean 'depth'"),
    "mode": ({"mode": "trian"}, ValueError, "no Mode 'trian'; there are train, eval, same"),
    "width": ({"col_width": 0}, ValueError, "col_width is 0"),
    "columns without a run": (
        {"input_size": None, "col_names": ("output_size",)},
        ValueError,
        "output_size need a run",
    ),
    "both inputs": ({"input_data": torch.zeros(1, 2)}, RuntimeError, "input_data and input_size are both given"),
    "device": ({"device": "lol"}, RuntimeError, "lol"),
    "zero size": ({"input_size": (1, 0)}, ValueError, r"input_size is \(1, 0\); each size is an integer above 0"),
    "no size": ({"input_size": []}, ValueError, "each size is an integer above 0"),
    "kind of size": ({"input_size": "hello"}, TypeError, "input_size is 'hello'; give a shape"),
    "shape": ({"input_size": (1, 3)}, RuntimeError, r"failed in Linear: RuntimeError: .*float32\[1, 3\]"),
    "number of inputs": (
        {"input_size": [(1, 2), (1, 2)]},
        RuntimeError,
        "takes 2 positional arguments but 3 were given",
    ),
    "dtype": ({"dtypes": ["float23"]}, InputError, "no dtype 'float23'.*Did you mean 'float"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_gets_the_originals_error_and_a_sentence(case: str) -> None:
    arguments, kind, sentence = WRONG[case]
    named = {"input_size": (1, 2), "verbose": 0, **arguments}
    with pytest.raises(kind, match=sentence):
        summary(nn.Linear(2, 2), **named)


def test_a_model_must_be_a_module() -> None:
    with pytest.raises(InputError, match=r"summary was given .*Linear.* as the model; give an instance"):
        summary(nn.Linear, (1, 2))  # type: ignore[arg-type]
