from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from compat.small import IMAGE, Block, ByValue, convnet, state
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

import flopsight.compat.thop as thop
from flopsight.errors import ModelError

BATCH, WIDTH = 2, 4
LINEAR = BATCH * WIDTH * WIDTH
PARAMS = WIDTH * WIDTH + WIDTH


def image() -> torch.Tensor:
    return torch.zeros(1, *IMAGE)


def test_counts_functions_beside_layers() -> None:
    macs, params = thop.profile(Block(WIDTH), inputs=(torch.zeros(BATCH, WIDTH),))
    assert (macs, params) == (2 * LINEAR, PARAMS)
    assert isinstance(macs, float)
    assert isinstance(params, float)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (((BATCH, WIDTH),), {}),
        ((), {"input_size": (BATCH, WIDTH)}),
        ((), {"input_size": torch.Size((BATCH, WIDTH))}),
        ((), {"inputs": [torch.zeros(BATCH, WIDTH)]}),
        ((torch.zeros(BATCH, WIDTH),), {}),
    ],
)
def test_every_way_to_give_the_input(arguments: Any, named: Any) -> None:
    assert thop.profile(Block(WIDTH), *arguments, **named) == (2 * LINEAR, PARAMS)


def test_sizes_among_the_inputs_stay_sizes() -> None:
    class Resized(nn.Module):
        def forward(self, x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
            assert size == (8, 8)
            return nn.functional.interpolate(x, size=size)

    assert thop.profile(Resized(), (torch.zeros(1, 3, 4, 4), (8, 8))) == (3 * 8 * 8, 0)


def test_without_inputs_the_error_says_what_to_give() -> None:
    with pytest.raises(TypeError, match=r"profile\(model, inputs=\(x,\)\)"):
        thop.profile(Block(WIDTH))


def test_layer_info_is_the_originals() -> None:
    original = pytest.importorskip("thop")
    model = convnet()
    assert thop.profile(model, (image(),), ret_layer_info=True) == original.profile(
        convnet(), (image(),), verbose=False, ret_layer_info=True
    )


def test_layer_info_counts_functions_where_they_are() -> None:
    *_, layers = thop.profile(nn.Sequential(Block(WIDTH)), ((BATCH, WIDTH)), ret_layer_info=True)
    assert layers == {
        "0": (2 * LINEAR, PARAMS, {"linear": (LINEAR, PARAMS, {}), "act": (0.0, 0.0, {})}),
    }


def test_profile_origin_returns_the_same() -> None:
    assert thop.profile_origin(convnet(), (image(),)) == thop.profile(convnet(), (image(),))


def rule(module: Any, inputs: Any, output: Any) -> None:
    assert isinstance(module, Block)
    assert module.linear.weight.shape == (WIDTH, WIDTH)
    module.total_ops += torch.DoubleTensor([1000 * inputs[0].numel() + output.shape[0]])


def test_a_custom_rule_stands_for_all_inside_the_module(capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Sequential(Block(WIDTH)))
    before = state(model)
    macs, _, layers = thop.profile(model, ((BATCH, WIDTH)), custom_ops={Block: rule}, ret_layer_info=True)
    counted = 1000 * BATCH * WIDTH + BATCH
    assert macs == LINEAR + counted
    assert layers["1"] == (counted, PARAMS, {"0": (counted, PARAMS, {})})
    assert capsys.readouterr().out == f"[INFO] Customize rule rule() {Block}.\n"
    assert state(model) == before


def test_a_custom_rule_is_asked_at_every_call(capsys: pytest.CaptureFixture[str]) -> None:
    def relu(module: Any, inputs: Any, output: Any) -> None:
        module.total_ops += output.numel()

    macs, _ = thop.profile(Block(WIDTH), ((BATCH, WIDTH)), {nn.ReLU: relu}, verbose=False)
    assert macs == 2 * LINEAR + 2 * BATCH * WIDTH
    assert not capsys.readouterr().out


def test_a_rule_inside_a_ruled_module_is_not_added() -> None:
    def linear(module: Any, inputs: Any, output: Any) -> None:
        module.total_ops += 10**9

    macs, _ = thop.profile(nn.Sequential(Block(WIDTH)), ((BATCH, WIDTH)), {Block: rule, nn.Linear: linear})
    assert macs == 1000 * BATCH * WIDTH + BATCH


def test_nothing_is_computed() -> None:
    class Asks(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert isinstance(x, FakeTensor)
            return x

    thop.profile(Asks(), (torch.zeros(BATCH, WIDTH),))


@pytest.mark.parametrize("training", [True, False])
def test_nothing_of_the_model_is_touched(training: bool) -> None:
    model = convnet().train(training)
    model[1].eval()
    before = state(model)
    thop.profile(model, (image(),))
    assert state(model) == before


def test_counts_in_eval_mode() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(WIDTH, WIDTH)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(self.linear(x)) if self.training else self.linear(x)

    assert thop.profile(Twice().train(), (BATCH, WIDTH))[0] == LINEAR


def test_control_flow_that_needs_values_is_run() -> None:
    model = ByValue()
    with torch.no_grad():
        model.block.linear.weight.zero_()
    counted = []

    def note(module: Any, inputs: Any, output: Any) -> None:
        counted.append(1)
        module.total_ops += 7

    x = torch.zeros(BATCH, WIDTH)
    assert thop.profile(model, (x,))[0] == 4 * LINEAR
    assert thop.profile(model, (x,), {Block: note})[0] == 2 * 7
    assert len(counted) == 2  # the attempt without values is forgotten


@pytest.mark.parametrize(("inputs", "kind"), [((torch.zeros(2, 9),), RuntimeError), ((1, 2, 3), TypeError)])
def test_the_models_own_error_keeps_its_type(inputs: Any, kind: type[Exception]) -> None:
    model = convnet()
    before = state(model)
    with pytest.raises(kind, match="The model's own code failed") as caught:
        thop.profile(model, (torch.zeros(1), *inputs) if kind is TypeError else inputs)
    assert isinstance(caught.value, ModelError)
    assert state(model) == before


def test_report_missing_names_operators_of_unknown_cost(capsys: pytest.CaptureFixture[str]) -> None:
    library = torch.library.Library("compat_thop", "DEF")
    library.define("mystery(Tensor x) -> Tensor")
    for key in ("CPU", "Meta"):
        library.impl("mystery", torch.empty_like, key)

    class Mystery(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ops.compat_thop.mystery(x)

    with pytest.warns(UserWarning, match=r"lower bound.*compat_thop::mystery"):
        thop.profile(Mystery(), ((2, 3)), report_missing=True)
    assert "Cannot find rule for compat_thop::mystery" in capsys.readouterr().out


def test_device_is_said_to_make_no_difference_once() -> None:
    with pytest.warns(UserWarning, match="thop: device makes no difference") as said:
        for _ in range(2):
            thop.profile(Block(WIDTH), (BATCH, WIDTH), device="cuda")
    assert len(said) == 1


def test_a_buried_shared_layer_is_counted_for_every_call() -> None:
    shared = nn.Linear(WIDTH, WIDTH)
    model = nn.Sequential(nn.Sequential(shared), nn.Sequential(shared))
    assert thop.profile(model, (BATCH, WIDTH)) == (2 * LINEAR, PARAMS)


NUMBERS = [0, 1, 999, 1e3, 1001, 1e6, 1234567, 1e9, 4133742592.0, 1e12, 3.2e15]


@pytest.mark.parametrize("style", ["%.2f", "%.3f", "%d"])
def test_clever_format_is_the_originals(style: str) -> None:
    original = pytest.importorskip("thop").clever_format
    assert thop.clever_format(NUMBERS, style) == original(NUMBERS, style)
    for number in NUMBERS:
        assert thop.clever_format(number, style) == thop.utils.clever_format([number], style) == original(number, style)


def test_verbose_output_says_nothing_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    thop.profile(convnet(), (image(),), verbose=True)
    assert not re.search(r"\S", capsys.readouterr().out)
