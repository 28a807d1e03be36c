from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from compat.small import IMAGE, Block, convnet, state
from torch import nn

from flopsight.compat.ptflops import (
    FLOPS_BACKEND,
    flops_to_string,
    get_model_complexity_info,
    params_to_string,
)
from flopsight.errors import ModelError

pytestmark = pytest.mark.usefixtures("torchvision")  # the original imports it

WIDTH = 4
BOTH = [FLOPS_BACKEND.PYTORCH, FLOPS_BACKEND.ATEN]
RAW: dict[str, Any] = {"as_strings": False, "print_per_layer_stat": False}


def original() -> Any:
    return pytest.importorskip("ptflops")


@pytest.mark.parametrize("backend", ["pytorch", "aten"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"as_strings": False},
        {"print_per_layer_stat": False},
        {"flops_units": "KMac", "param_units": "K", "output_precision": 4},
        {"flops_units": "Mac", "param_units": "none"},
        {"backend_specific_config": {"count_functional": False}},
    ],
)
def test_results_and_printed_tree_are_the_originals(backend: str, settings: dict[str, Any]) -> None:
    theirs, ours = io.StringIO(), io.StringIO()
    expected = original().get_model_complexity_info(convnet(), IMAGE, ost=theirs, backend=backend, **settings)
    model = convnet()
    before = state(model)
    assert get_model_complexity_info(model, IMAGE, ost=ours, backend=backend, **settings) == expected
    assert ours.getvalue() == theirs.getvalue()
    assert state(model) == before


def test_prints_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    get_model_complexity_info(convnet(), IMAGE)
    assert "100.000% Params" in capsys.readouterr().out


def test_a_module_list_prints_as_it_does() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(2)])
            self.none = None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = layer(x)
            return x

    ours = io.StringIO()
    get_model_complexity_info(Listed(), (WIDTH,), ost=ours)
    assert "(0-1): 2 x Linear(20, 50.000% Params, 20.0 Mac, 50.000% MACs, in_features=4" in ours.getvalue()


@pytest.mark.parametrize("backend", BOTH)
def test_what_runs_as_a_function_counts(backend: FLOPS_BACKEND) -> None:
    macs, params = get_model_complexity_info(Block(WIDTH), (WIDTH,), **RAW, backend=backend)
    activations = 2 * 2 * WIDTH if backend is FLOPS_BACKEND.PYTORCH else 0
    assert macs == 2 * WIDTH * WIDTH + WIDTH + activations
    assert params == WIDTH * WIDTH + WIDTH


def test_functions_can_be_left_out() -> None:
    macs, _ = get_model_complexity_info(
        Block(WIDTH), (WIDTH,), **RAW, backend_specific_config={"count_functional": False}
    )
    assert macs == WIDTH * WIDTH + WIDTH + 2 * WIDTH


def test_frozen_parameters_are_parameters() -> None:
    _, params = get_model_complexity_info(Block(WIDTH).requires_grad_(False), (WIDTH,), **RAW)
    assert params == WIDTH * WIDTH + WIDTH


@pytest.mark.parametrize("backend", BOTH)
def test_an_input_constructor_makes_a_tensor_or_keyword_arguments(backend: FLOPS_BACKEND) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(WIDTH, 2)

        def forward(self, x: torch.Tensor, sizes: tuple[int, int] = (1, 1)) -> torch.Tensor:
            assert type(sizes[0]) is int
            return self.linear(x)

    def keywords(given: Any) -> dict[str, Any]:
        assert given == ("anything", 7)
        return {"x": torch.zeros(3, WIDTH), "sizes": (2, 2)}

    said = io.StringIO()
    macs, _ = get_model_complexity_info(
        Two(), ("anything", 7), **RAW, input_constructor=keywords, ost=said, backend=backend
    )
    assert macs == 3 * (WIDTH * 2 + 2)
    assert ("assuming batch size is 1" in said.getvalue()) == (backend is FLOPS_BACKEND.PYTORCH)
    macs, _ = get_model_complexity_info(
        Two(), (WIDTH,), **RAW, input_constructor=lambda size: torch.zeros(3, *size), backend=backend
    )
    assert macs == (1 if backend is FLOPS_BACKEND.PYTORCH else 3) * (WIDTH * 2 + 2)


def test_ignored_modules_do_not_count() -> None:
    whole, _ = get_model_complexity_info(convnet(), IMAGE, **RAW)
    rest, params = get_model_complexity_info(convnet(), IMAGE, **RAW, ignore_modules=[nn.Conv2d])
    first, second = 16 * 16 * 6 * (3 * 3 * 3 + 1), 4 * 4 * 4 * 6
    assert whole - rest == first + second
    assert params == original().get_model_complexity_info(convnet(), IMAGE, **RAW, ignore_modules=[nn.Conv2d])[1]


def test_ignored_operators_do_not_count() -> None:
    said = io.StringIO()
    settings = {"ignore_modules": [torch.ops.aten.convolution], "backend": "aten", "ost": said}
    macs, _ = get_model_complexity_info(convnet(), IMAGE, **RAW, **settings)
    assert macs == 16 * 5 + 5
    assert said.getvalue() == 2 * "Warning: aten.convolution operation is ignored\n"


def test_a_custom_hook_stands_for_its_module() -> None:
    def hook(module: Any, inputs: Any, output: Any) -> None:
        assert isinstance(module, Block)
        module.__flops__ += 10 * inputs[0].shape[-1] + output.shape[0]

    model = nn.Sequential(Block(WIDTH), nn.Linear(WIDTH, 1))
    before = state(model)
    macs, _ = get_model_complexity_info(model, (WIDTH,), **RAW, custom_modules_hooks={Block: hook})
    assert macs == 10 * WIDTH + 1 + WIDTH + 1
    assert state(model) == before


def test_a_custom_hook_for_an_operator_gets_its_arguments_in_order() -> None:
    def convolution(inputs: Any, outputs: Any) -> int:
        image, weight, bias, stride, *_, groups = inputs
        assert len(inputs) == 9
        assert image.shape[1] == weight.shape[1] * groups
        assert (bias is None) == (stride == [2, 2])
        return 1000 + outputs[0].shape[1]

    settings = {"custom_modules_hooks": {torch.ops.aten.convolution: convolution}, "backend": "aten"}
    macs, _ = get_model_complexity_info(convnet(), IMAGE, **RAW, **settings)
    assert macs == (1000 + 6) + (1000 + 4) + 16 * 5 + 5


@pytest.mark.parametrize(("backend", "named"), [("pytorch", "module Flatten"), ("aten", "aten.relu operation")])
def test_verbose_names_what_counts_nothing(backend: str, named: str) -> None:
    said = io.StringIO()
    get_model_complexity_info(convnet(), IMAGE, **RAW, verbose=True, ost=said, backend=backend)
    assert f"Warning: {named} is treated as a zero-op" in said.getvalue()
    assert "Conv2d" not in said.getvalue()


@pytest.mark.parametrize("backend", BOTH)
def test_a_failing_model_is_an_error_and_not_none(backend: FLOPS_BACKEND) -> None:
    model = convnet()
    before = state(model)
    with pytest.raises(ModelError, match=r"module '0' \(Conv2d\).*float32\[1, 5, 5, 5\]"):
        get_model_complexity_info(model, (5, 5, 5), backend=backend)
    assert state(model) == before


@pytest.mark.parametrize(
    ("model", "size", "sentence"),
    [(convnet(), [3, 16, 16], "give a tuple"), (convnet(), (), "give a tuple"), (len, IMAGE, "torch.nn.Module")],
)
def test_wrong_arguments_raise_what_the_original_raises(model: Any, size: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        get_model_complexity_info(model, size)


def test_a_wrong_backend_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="'jax' is not a valid FLOPS_BACKEND"):
        get_model_complexity_info(convnet(), IMAGE, backend="jax")


NUMBERS = [0, 1, 999, 1000, 1234, 10**6, 1234567, 10**9, 4132436968, 3 * 10**12]


@pytest.mark.parametrize("precision", [0, 2, 5])
@pytest.mark.parametrize("units", [None, "GMac", "MMac", "KMac", "Mac", "B", "M", "K"])
def test_texts_are_the_originals(units: str | None, precision: int) -> None:
    for number in NUMBERS:
        assert flops_to_string(number, units, precision) == original().flops_to_string(number, units, precision)
        assert params_to_string(number, units, precision) == original().params_to_string(number, units, precision)
