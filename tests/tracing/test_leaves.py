"""Calls of PyTorch's own modules are remembered whole, and only while nothing that they depend on has changed."""

from __future__ import annotations

from functools import partial
from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from flopsight import profile
from flopsight.tracing import leaves
from flopsight.tracing.memo import MEMO

LAYERS = [
    (nn.Conv2d(4, 8, 3, stride=2), (2, 4, 9, 9)),
    (nn.Conv2d(4, 8, 3, padding=1, padding_mode="circular"), (2, 4, 9, 9)),
    (nn.ConvTranspose1d(4, 6, 3), (2, 4, 9)), (nn.Linear(4, 8), (2, 4)), (nn.BatchNorm2d(4), (2, 4, 9, 9)),
    (nn.BatchNorm2d(4).eval(), (2, 4, 9, 9)), (nn.LayerNorm(4), (2, 4)), (nn.GroupNorm(2, 4), (2, 4, 3)),
    (nn.ReLU(inplace=True), (2, 4)), (nn.GELU(), (2, 4)), (nn.Softmax(-1), (2, 4)), (nn.Dropout(0.1), (2, 4)),
    (nn.Dropout(0.1).eval(), (2, 4)), (nn.MaxPool2d(2, return_indices=True), (2, 4, 8, 8)), (nn.Flatten(), (2, 4, 3)),
    (nn.AdaptiveAvgPool2d(1), (2, 4, 8, 8)), (nn.Upsample(scale_factor=2), (2, 4, 8, 8)), (nn.Identity(), (2, 4)),
    (nn.LSTM(4, 4), (3, 2, 4)), (nn.PReLU(), (2, 4)), (nn.ReflectionPad2d(1), (2, 4, 8, 8)),
]  # fmt: skip


class Twice(nn.Module):
    """Calls a layer twice, and `between` in between; what it returns and sees of the results is kept."""

    def __init__(self, layer, between=lambda layer: None):
        super().__init__()
        self.layer = layer
        self.between = between

    def forward(self, x):
        first = self.layer(x.clone())
        self.between(self.layer)
        return first, self.layer(x.clone())


def totals(p):
    calls = {name: tally.calls for name, tally in p.by_operator().items() if name != "aten::detach"}  # autograd's
    return p.total("exact"), calls, p.by_module()["layer"].macs


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: str(value)[:40])
def test_a_remembered_call_is_what_runs(layer, shape):
    MEMO.version = None
    model = Twice(layer)
    seen = []
    model.register_forward_hook(lambda module, args, out: seen.append([(o.shape, o.stride()) for o in flat(out)]))
    found = [totals(profile(model, shape)), totals(profile(model, shape)), totals(profile(model, shape, execute=True))]
    assert found[0] == found[1] == found[2]
    assert seen[0] == seen[1] == seen[2]


def flat(out):
    return [out] if isinstance(out, torch.Tensor) else [tensor for item in out for tensor in flat(item)]


def remembered():
    return {key[0][0] for key in MEMO.current() if isinstance(key[0], tuple)}


def test_which_calls_are_remembered():
    MEMO.version = None
    for layer, shape in [*LAYERS, *LAYERS]:  # the second time, all operators inside are remembered
        profile(layer, shape)
    assert {nn.Conv2d, nn.ConvTranspose1d, nn.Linear, nn.LayerNorm, nn.ReLU, nn.Flatten, nn.PReLU} <= remembered()
    assert nn.MaxPool2d in remembered()  # two results
    assert nn.LSTM not in remembered()  # it holds a list of weights


def test_new_tensors_and_writes_to_stand_ins_are_the_same_each_time():
    MEMO.version = None
    profile(nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(inplace=True)).eval(), (1, 4, 8, 8))
    assert {nn.BatchNorm2d, nn.ReLU} <= remembered()


class Largest(nn.Module):
    """The row of the largest of each line."""

    def __init__(self, max_norm):
        super().__init__()
        self.rows = nn.Embedding(5, 4, max_norm=max_norm)

    def forward(self, x):
        return self.rows(x.argmax(-1))


@pytest.mark.parametrize("max_norm", [None, 1.0])
def test_a_write_to_a_tensor_of_the_users_is_not_the_same_each_time(max_norm):
    """Rows that are longer than `max_norm` are scaled in place."""
    MEMO.version = None
    profile(Largest(max_norm), (2, 3, 5))
    assert (nn.Embedding in remembered()) is (max_norm is None)


def changed_stride(layer):
    layer.stride = (1, 1)


def another_weight(layer):
    layer.weight = nn.Parameter(torch.zeros(16, 4, 3, 3))
    layer.bias = None


def a_method(layer):
    layer.forward = lambda x: x


def a_hook(layer):
    layer.register_forward_hook(lambda module, args, out: out @ out.transpose(-1, -2))


@pytest.mark.parametrize("between", [changed_stride, another_weight, a_method, a_hook])
def test_what_changes_between_two_calls_is_seen(between):
    def made():
        return Twice(nn.Conv2d(4, 8, 3, stride=2), between)

    expected = totals(profile(made(), (2, 4, 9, 9), execute=True))
    assert totals(profile(made(), (2, 4, 9, 9))) == expected
    assert totals(profile(made(), (2, 4, 9, 9))) == expected


def test_training_is_part_of_what_is_remembered():
    layer = nn.Dropout(0.5)
    assert profile(layer, (2, 4)).total("exact") > 0
    assert profile(layer.eval(), (2, 4)).total("exact") == 0


class Patched(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 8)

    def forward(self, x):
        with mock.patch.object(F, "linear", lambda x, weight, bias: x @ weight.T @ weight):
            first = self.layer(x)
        return first, self.layer(x)


def test_a_function_of_pytorchs_that_is_replaced_is_called():
    profile(nn.Linear(4, 8), (2, 4))
    assert profile(Patched(), (2, 4)).macs == profile(Patched(), (2, 4), execute=True).macs == 3 * 2 * 4 * 8


@pytest.mark.parametrize(
    "other", [lambda x, *_: x.relu(), partial(torch.add, 1), print], ids=["ours", "partial", "builtin"]
)
def test_what_runs_in_the_place_of_a_function_of_pytorchs_is_not_remembered(other):
    class Shape(nn.LayerNorm):  # a class of which nothing is known yet
        __module__ = nn.LayerNorm.__module__

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "layer_norm", lambda x, *_: x.relu())
        assert [call.operation.name for call in profile(Shape(8), (2, 8))] == ["aten::relu"]
        patch.setattr(torch, "layer_norm", other)
        assert leaves._kind(Shape(8)) is None
    assert [call.operation.name for call in profile(Shape(8), (2, 8))] == ["aten::native_layer_norm"]


def test_a_call_with_other_parameters():
    layer = nn.Linear(4, 8)
    wider = {"weight": torch.zeros(16, 4), "bias": torch.zeros(16)}
    profile(layer, (2, 4))
    assert profile(lambda x: functional_call(layer, wider, (x,)), (2, 4)).macs == 2 * 4 * 16

    class Swapped(nn.Module):
        def forward(self, x):
            return functional_call(layer, wider, (x,)), layer(x)

    assert profile(Swapped(), (2, 4)).macs == 2 * 4 * (16 + 8)


def test_an_attribute_of_the_users_is_not_kept_alive():
    layer = nn.GELU()
    layer.own = frozenset()
    MEMO.version = None
    assert profile(layer, (2, 4)).total("exact") == profile(layer, (2, 4)).total("exact") > 0
    assert nn.GELU not in remembered()


class Mine(nn.Linear):
    def forward(self, x):
        return super().forward(x) @ self.weight


def test_classes_of_the_users_are_run():
    MEMO.version = None
    assert profile(Mine(4, 8), (2, 4)).macs == profile(Mine(4, 8), (2, 4)).macs == 2 * 2 * 4 * 8
    assert Mine not in remembered()
    with mock.patch.object(nn.Linear, "forward", lambda self, x: x):
        assert profile(nn.Linear(4, 8), (2, 4)).macs == 0
    assert profile(nn.Linear(4, 8), (2, 4)).macs == 2 * 4 * 8


def test_a_function_mode_of_the_users_is_asked():
    class Mode(torch.overrides.TorchFunctionMode):
        calls = 0

        def __torch_function__(self, func, types, args=(), kwargs=None):
            self.calls += func is F.gelu
            return func(*args, **(kwargs or {}))

    class Model(nn.Module):
        def forward(self, x):
            with mode:
                return nn.functional.gelu(gelu(x))

    gelu, mode = nn.GELU(), Mode()
    profile(gelu, (2, 4))
    profile(Model(), (2, 4))
    assert mode.calls == 2


def test_kinds_name_the_functions_that_a_forward_calls():
    kind = leaves._kind(nn.Conv2d(4, 8, 3))
    assert kind is not None
    spaces = [space for space, _, _ in kind.functions]
    assert vars(nn.Conv2d)["_conv_forward"] in [
        named(space) for space, named, _ in kind.functions if "_conv_forward" in space
    ]
    assert vars(F) in spaces


class Attends(nn.Module):
    """Calls attention on one tensor thrice, on three, and with its weights, and `between` the first two."""

    def __init__(self, between=lambda layer: None):
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True)
        self.between = between

    def forward(self, x):
        first, nothing = self.layer(x, x, x, need_weights=False)
        assert nothing is None
        self.between(self.layer)
        second, _ = self.layer(x.clone(), x.clone(), x.clone(), need_weights=False)
        _, weights = self.layer(x, x, x)
        assert weights.shape == (2, 5, 5)
        assert weights.stride() == (25, 5, 1)
        return first, second, self.layer(x, x, x, need_weights=False)


def wider_projection(layer):
    layer.out_proj.weight = nn.Parameter(torch.zeros(16, 8))
    layer.out_proj.bias = None


def without_flash(layer):
    torch.backends.cuda.enable_flash_sdp(False)


@pytest.mark.parametrize("between", [lambda layer: None, wider_projection, without_flash])
def test_attention_is_remembered_with_the_modules_that_it_reads(between):
    MEMO.version = None
    try:
        found = []
        for execute in (False, False, True):
            torch.backends.cuda.enable_flash_sdp(True)
            found.append(totals(profile(Attends(between), (2, 5, 8), execute=execute)))
    finally:
        torch.backends.cuda.enable_flash_sdp(True)
    assert found[0] == found[1] == found[2]
    assert nn.MultiheadAttention in remembered()


def test_the_projection_of_attention_is_its_own_module():
    model = Attends()
    found = [
        profile(model, (2, 5, 8), execute=execute).by_module()["layer.out_proj"].macs
        for execute in (False, False, True)
    ]
    assert found == [4 * 2 * 5 * 8 * 8] * 3


def test_attention_with_another_projection():
    def made(rows):
        layer = nn.MultiheadAttention(8, 2, batch_first=True)
        layer.out_proj.weight = nn.Parameter(torch.zeros(rows, 8))
        layer.out_proj.bias = None
        return layer

    for _ in range(2):
        one, other = profile(made(8), [(2, 5, 8)] * 3), profile(made(16), [(2, 5, 8)] * 3)
        assert other.macs - one.macs == 2 * 5 * 8 * 8


def test_attention_with_a_mask_of_values_is_run():
    MEMO.version = None
    layer = nn.MultiheadAttention(8, 2, batch_first=True)

    def attend(x):
        return layer(x, x, x, attn_mask=torch.zeros(5, 5), need_weights=False)

    assert (
        profile(attend, (2, 5, 8)).macs == profile(attend, (2, 5, 8)).macs == 4 * 2 * 5 * 8 * 8 + 2 * 2 * 2 * 5 * 5 * 4
    )
