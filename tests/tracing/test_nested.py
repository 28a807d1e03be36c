"""Nested tensors: jagged ones are counted by what they hold, strided ones refused in a sentence."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flopsight import Profiler, errors, profile
from flopsight.tracing.constructs.nested import NestedTensor

pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")

ROWS, COLUMNS, OUT = 3 + 5, 16, 8


def halves(x):
    return [x[:3], x[3:]]


def from_list(x):
    return torch.nested.nested_tensor(halves(x), layout=torch.jagged)


def as_nested(x):
    return torch.nested.as_nested_tensor(halves(x), layout=torch.jagged)


def from_offsets(x):
    return torch.nested.nested_tensor_from_jagged(x, torch.tensor([0, 3, 8]))


def from_constants(x):
    return torch.nested.nested_tensor([torch.randn(3, COLUMNS), torch.randn(5, COLUMNS)], layout=torch.jagged)


class Model(nn.Module):
    """A layer on a nested tensor, which `make` makes of the input."""

    def __init__(self, make=None, end=None):
        super().__init__()
        self.linear = nn.Linear(COLUMNS, OUT)
        self.make, self.end = make, end

    def forward(self, x):
        y = self.linear(x if self.make is None else self.make(x)).relu()
        return y if self.end is None else self.end(y)


def given():
    return from_list(torch.randn(ROWS, COLUMNS))


ENDS = [
    None,
    lambda y: y.to_padded_tensor(0.0),
    lambda y: y.values().softmax(-1),
    lambda y: torch.cat([part.sum(0) for part in y.unbind()]),
    lambda y: (y * 2 + y.sin()).transpose(1, 2).transpose(1, 2).contiguous().values(),
]


@pytest.mark.parametrize("make", [None, from_list, as_nested, from_offsets, from_constants])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("backward", [False, True])
def test_jagged_ones_count_by_their_real_lengths(make, end, backward):
    def run(execute):
        x = given() if make is None else torch.randn(ROWS, COLUMNS)
        return profile(Model(make, end), x, execute=execute, backward=backward)

    fake, real = run(False), run(True)
    assert fake.total("exact") == real.total("exact")
    assert len(fake) == len(real)
    assert fake.macs == real.macs == ROWS * COLUMNS * OUT * (1 + backward)


def test_inputs_that_require_gradients_stay_as_they_are():
    x = given().detach().requires_grad_()
    before = x.values().detach().clone()
    for execute in (False, True):
        found = profile(Model(end=lambda y: y.values().sum()), x, backward=True, execute=execute)
        assert found.macs == 3 * ROWS * COLUMNS * OUT
        profile(lambda x: x.mul_(2), x.detach(), execute=execute)
        assert torch.equal(x.values().detach(), before)
        assert x.grad is None
    assert type(Model()(x)._values) is torch.Tensor


def test_those_of_a_training_step_of_ones_own():
    with Profiler() as profiler:
        Model(from_list)(torch.randn(ROWS, COLUMNS)).values().sum().backward()
    assert profiler.profile.macs == 2 * ROWS * COLUMNS * OUT


def test_the_module_shows_what_is_held():
    (node,) = (node for node in profile(Model(), given()).modules.values() if node.kind == "Linear")
    assert [spec.shape for spec in (*node.inputs, *node.outputs)] == [(ROWS, COLUMNS), (ROWS, OUT)]


def test_an_example_that_pytorch_keeps_is_none_of_a_run(monkeypatch):
    from torch.nested._internal import nested_tensor

    monkeypatch.setattr(nested_tensor, "_dummy_instance", None)
    profile(Model(from_offsets), (ROWS, COLUMNS))
    assert nested_tensor._dummy_instance._values.is_meta
    assert isinstance(from_offsets(torch.randn(ROWS, COLUMNS)), NestedTensor)


STRIDED = [
    lambda x: torch.nested.nested_tensor(halves(x)),
    lambda x: torch.nested.as_nested_tensor(halves(x)),
    lambda x: torch._nested_tensor_from_mask(x[None], torch.ones(1, ROWS, dtype=torch.bool)),
    lambda x: torch.nested.nested_tensor([torch.randn(3, COLUMNS)]),
]


@pytest.mark.parametrize("make", STRIDED)
@pytest.mark.parametrize("execute", [False, True])
def test_strided_ones_are_refused_in_a_sentence(make, execute):
    with pytest.raises(errors.InputError, match=r"nested tensor of strided layout .* layout=torch.jagged"):
        profile(Model(make), (ROWS, COLUMNS), execute=execute)
    with pytest.raises(errors.InputError, match="nested tensor of strided layout"):
        profile(Model(), (STRIDED[0](torch.randn(ROWS, COLUMNS)),), execute=execute)


def test_a_padded_encoder_runs_without_them():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(COLUMNS, 2, batch_first=True), 1).eval()
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    fake, real = (
        profile(encoder, (2, 5, COLUMNS), kwargs={"src_key_padding_mask": padding}, execute=execute)
        for execute in (False, True)
    )
    assert fake.total("exact") == real.total("exact")


@pytest.mark.parametrize("memory", [False, True])
def test_a_block_with_nested_tensors(memory):
    layer, x = nn.Linear(COLUMNS, OUT), torch.randn(ROWS, COLUMNS)
    with Profiler(memory=memory) as profiler:
        layer(from_list(x))
    assert profiler.profile.macs == ROWS * COLUMNS * OUT
