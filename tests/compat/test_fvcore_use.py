from __future__ import annotations

import re
import warnings
from collections import Counter
from typing import Any

import pytest
import torch
from compat.small import ByValue, convnet, state
from torch import nn

from flopsight.compat import fvcore
from flopsight.errors import InputError, ModelError


def test_a_handle_sees_shapes_and_arguments() -> None:
    seen: list[Any] = []

    def handle(inputs: list[Any], outputs: list[Any]) -> int:
        seen.extend([[value.type().sizes() for value in inputs[:2]], inputs[6].toIValue(), outputs[0].type().dim()])
        return 7

    analysis = fvcore.FlopCountAnalysis(nn.Conv2d(3, 5, 3), torch.zeros(1, 3, 8, 8))
    assert analysis.set_op_handle("aten::_convolution", handle).total() == 7
    assert seen == [[[1, 3, 8, 8], [5, 3, 3, 3]], False, 4]
    assert analysis.set_op_handle("aten::_convolution", None).total() == 0
    assert analysis.unsupported_ops() == {}
    assert analysis.clear_op_handles().total() == 0
    assert analysis.unsupported_ops() == {"aten::_convolution": 1}


def test_a_handle_for_a_list_of_tensors_sees_each() -> None:
    class Joined(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x, x], dim=1)

    def handle(inputs: list[Any], outputs: list[Any]) -> int:
        assert inputs[0].type().sizes() is None
        assert not inputs[0].isCompleteTensor()
        return sum(value.type().sizes()[1] for value in inputs[0].node().inputs())

    analysis = fvcore.FlopCountAnalysis(Joined(), torch.zeros(2, 3)).set_op_handle("aten::cat", handle)
    assert analysis.by_operator() == {"cat": 6}


class Caller(nn.Module):
    """Calls a layer of another module; runs one directly; shares one; leaves one alone."""

    def __init__(self) -> None:
        super().__init__()
        self.owner = nn.Module()
        self.owner.inner = nn.Linear(3, 3)
        self.direct, self.idle = nn.Sequential(nn.Linear(3, 3)), nn.Linear(3, 3)
        self.same = self.owner.inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.same(self.direct.forward(self.owner.inner(x)))


def test_ancestors_by_owner_and_by_caller() -> None:
    linear = 3 * 3
    analysis = fvcore.FlopCountAnalysis(Caller(), torch.zeros(1, 3)).uncalled_modules_warnings(False)
    owner = {"": 3, "owner": 2, "owner.inner": 2, "direct": 1, "direct.0": 1, "idle": 0}
    assert analysis.by_module() == {name: times * linear for name, times in owner.items()}
    assert analysis.uncalled_modules() == {"idle"}
    caller = owner | {"owner": 0, "direct": 0}
    assert analysis.ancestor_mode("caller").by_module() == {name: times * linear for name, times in caller.items()}
    assert analysis.uncalled_modules() == {"owner", "direct", "idle"}
    assert analysis.total("same") == analysis.total("owner.inner") == 2 * linear
    assert analysis.canonical_module_name("same") == "owner.inner"


def test_warnings_are_logged_and_can_be_switched_off(caplog: pytest.LogCaptureFixture) -> None:
    model = nn.ModuleDict({"idle": nn.Linear(2, 2), "rest": nn.ModuleList()})
    model.forward = lambda x: x + 1  # type: ignore[method-assign, assignment]
    analysis = fvcore.FlopCountAnalysis(model, torch.zeros(1, 2))
    analysis.total()
    assert caplog.messages[0] == "Unsupported operator aten::add encountered 1 time(s)"
    assert caplog.messages[1].endswith("\nidle")
    caplog.clear()
    analysis.copy().unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()
    assert not caplog.messages


class Warns(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        warnings.warn("of the model's own", stacklevel=1)
        return x


def test_warnings_of_the_model_are_its_own_unless_hidden() -> None:
    fvcore.FlopCountAnalysis(Warns(), torch.zeros(1)).tracer_warnings("none").total()
    with pytest.warns(UserWarning, match="of the model's own"):
        fvcore.FlopCountAnalysis(Warns(), torch.zeros(1)).total()


def test_dropout_is_no_unsupported_operator() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Dropout1d()).train()
    analysis = fvcore.FlopCountAnalysis(model, torch.zeros(1, 2, 3))
    assert analysis.total() == 0
    assert analysis.unsupported_ops() == {}


def test_copy_keeps_the_settings() -> None:
    analysis = fvcore.FlopCountAnalysis(Caller(), torch.zeros(1, 3)).uncalled_modules_warnings(False)
    analysis.ancestor_mode("caller").set_op_handle("aten::linear", lambda inputs, outputs: 5)
    other = analysis.copy(new_inputs=torch.zeros(7, 3))
    assert isinstance(other, fvcore.FlopCountAnalysis)
    assert other.by_module() == analysis.by_module()
    assert other.clear_op_handles().total() == 0
    assert analysis.total() == 3 * 5
    assert analysis.copy(nn.Linear(2, 2), torch.zeros(1, 2)).total() == 5


def test_flop_and_activation_count_in_giga_and_mega() -> None:
    flops, unsupported = fvcore.flop_count(convnet(), (torch.zeros(1, 3, 16, 16),))
    assert flops["conv"] == (6 * 16 * 16 * 27 + 4 * 4 * 4 * 6) / 1e9
    assert flops["never"] == 0.0
    assert unsupported == {"aten::avg_pool2d": 1, "aten::max_pool2d": 1, "aten::add_": 1}
    activations, _ = fvcore.activation_count(convnet(), (torch.zeros(1, 3, 16, 16),), {"aten::linear": None})
    assert activations == {"conv": (6 * 16 * 16 + 4 * 4 * 4) / 1e6}


def test_a_model_that_needs_values_is_run() -> None:
    analysis = fvcore.FlopCountAnalysis(ByValue().eval(), torch.ones(2, 4)).unsupported_ops_warnings(False)
    product = 2 * 4 * 4
    assert analysis.by_operator() == {"linear": 2 * product, "matmul": 2 * product}


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training: bool) -> None:
    model = convnet().train(training)
    before, values = state(model), {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fvcore.flop_count_table(fvcore.FlopCountAnalysis(model, torch.zeros(1, 3, 16, 16)))
    after = state(model)
    if training:  # the count of batches is set back, which PyTorch counts as a change
        del before["tensors"], after["tensors"]
    assert after == before
    assert all(torch.equal(values[name], tensor) for name, tensor in model.state_dict().items())


def test_repr_shows_what_was_not_called() -> None:
    text = fvcore.flop_count_str(fvcore.FlopCountAnalysis(Caller(), torch.zeros(1, 3)).ancestor_mode("caller"))
    assert text.startswith("N/A indicates a possibly missing statistic")
    assert re.search(
        r"\(idle\): Linear\(\n +in_features=3, out_features=3, bias=True\n +#params: 12, #flops: N/A", text
    )


def test_wrong_use_gets_the_originals_error_and_a_sentence() -> None:
    analysis = fvcore.FlopCountAnalysis(nn.Sequential(nn.Linear(2, 2)), torch.zeros(1, 2))
    with pytest.raises(KeyError, match=r"'o' is no module"):
        analysis.total("o")
    with pytest.raises(ValueError, match="tracer warning mode 'al'; there are all"):
        analysis.tracer_warnings("al")
    with pytest.raises(ValueError, match=r"ancestor mode 'parent'"):
        analysis.ancestor_mode("parent")
    with pytest.raises(TypeError, match="pairs"):
        analysis.set_op_handle("aten::add")
    with pytest.raises(ValueError, match="'many'; a count is an int or a float"):
        analysis.set_op_handle("aten::linear", lambda inputs, outputs: Counter({"linear": "many"})).total()  # type: ignore[dict-item]


def test_wrong_models_and_inputs_get_one_sentence() -> None:
    with pytest.raises(InputError, match=r"FlopCountAnalysis was given 'resnet50' as the model"):
        fvcore.FlopCountAnalysis("resnet50", torch.zeros(1))  # type: ignore[arg-type]
    analysis = fvcore.FlopCountAnalysis(nn.Linear(3, 2), torch.zeros(1, 4))
    with pytest.raises(ModelError, match=r"failed in Linear: RuntimeError: .*float32\[1, 4\]"):
        analysis.total()
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        fvcore.FlopCountAnalysis(nn.Linear(3, 2), ()).total()
