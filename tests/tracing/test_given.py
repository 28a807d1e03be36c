"""One object given is one object seen, tensors of PyTorch's FakeTensorMode, and packed sequences."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from flopsight import errors, plain, profile, spec

pytestmark = pytest.mark.filterwarnings("ignore::flopsight.errors.StandInWarning")  # they look at what forward saw


def seen(inputs, kwargs=None):
    """What a function gets for `inputs`."""
    found = []
    profile(lambda *args, **named: found.append((args, named)), inputs, kwargs=kwargs)
    return found[0]


@pytest.mark.parametrize("execute", [False, True])
def test_a_tensor_given_twice_is_one_tensor(execute):
    linear, x = nn.Linear(8, 8), torch.randn(3, 8)

    def twice(a, b):
        once = linear(a)
        return once + (once if a is b else linear(b))

    macs = 3 * 8 * 8
    assert profile(twice, (x, x), execute=execute).macs == macs
    assert profile(twice, (x, x.clone()), execute=execute).macs == 2 * macs
    assert profile(twice, (x,), kwargs={"b": x}, execute=execute).macs == macs
    given = spec(3, 8)
    assert profile(twice, (given, given), execute=execute).macs == macs


def test_equal_shapes_are_different_tensors():
    (a, b), _ = seen(((3, 8), (3, 8)))
    assert a is not b
    (a, b), _ = seen([((3, 8), (2, 8)), ((3, 8), (2, 8))])
    assert a[0] is not b[0]


def test_identity_is_kept_inside_containers():
    x, shared = torch.randn(3), {"deep": [(2, 2)]}
    (first, second), named = seen([[x, {"x": x}], shared], {"again": shared, "x": x})
    assert first[0] is first[1]["x"]
    assert first[0] is named["x"]
    assert second is named["again"]
    assert tuple(second["deep"][0].shape) == (2, 2)
    assert second is not shared


def test_attention_on_one_tensor_counts_what_runs():
    attention, x = nn.MultiheadAttention(16, 4, batch_first=True), torch.randn(2, 6, 16)
    fake, real = (profile(attention, (x, x, x), backward=True, execute=execute) for execute in (False, True))
    assert fake.total("exact") == real.total("exact")
    assert len(fake) == len(real)


def test_a_parameter_given_as_input_is_the_models_own():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 4))

        def forward(self, x):
            return x if x is self.weight else x @ self.weight

    model = Tied()
    assert profile(model, model.weight).macs == 0
    assert profile(model, (4, 4)).macs == 4 * 4 * 4


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("shape", [False, True])
def test_a_model_of_pytorchs_fake_tensors_counts_like_a_real_one(backward, inside, shape):
    def made():
        return nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)), torch.randn(4, 8)

    model, x = made()
    expected = profile(model, (4, 8) if shape else x, backward=backward)
    mode = FakeTensorMode()
    with mode:
        model, x = made()
        if inside:
            found = profile(model, (4, 8) if shape else x, backward=backward)
            with unset_fake_temporarily() as active:
                assert active is mode
            assert type(model(x)) is FakeTensor
    if not inside:
        found = profile(model, (4, 8) if shape else x, backward=backward)
    assert found.total("exact") == expected.total("exact")
    assert len(found) == len(expected)
    assert all(p.grad is None for p in model.parameters())


def test_integers_of_pytorchs_fake_tensors_have_no_values():
    with FakeTensorMode():
        ids, embedding = torch.zeros(2, 3, dtype=torch.int64), nn.Embedding(5, 4)
    assert [op.outputs[0].shape for op in profile(embedding, ids).operations] == [(2, 3, 4)]
    with pytest.raises(errors.NeedsValuesError, match=r"tolist\(\)"):
        profile(lambda ids: ids.tolist(), ids)


def test_real_execution_on_tensors_without_values_is_one_sentence():
    with FakeTensorMode():
        model, x = nn.Linear(2, 2), torch.zeros(1, 2)
        with pytest.raises(errors.InputError, match=r"parameters are fake tensors of PyTorch's FakeTensorMode"):
            profile(model, x, execute=True)
    with pytest.raises(errors.InputError, match=r"inputs are fake tensors"):
        profile(nn.Linear(2, 2), x, execute=True)
    with pytest.raises(errors.InputError, match=r"inputs are on the meta device"):
        profile(nn.Linear(2, 2), torch.zeros(1, 2, device="meta"), execute=True)


def test_packed_sequences_are_inputs_like_others():
    packed = pack_sequence([torch.randn(5, 8), torch.randn(3, 8)])
    model, steps = nn.LSTM(8, 6), 5 + 3
    forward = steps * 4 * 6 * (8 + 6)
    assert profile(model, (packed,)).macs == forward
    assert profile(model, packed, execute=True).macs == forward
    fake, real = (profile(model, packed, backward=True, execute=execute) for execute in (False, True))
    assert fake.macs == real.macs > forward
    (found,), _ = seen((packed,))
    assert type(found) is PackedSequence


def resized(x, size):
    return nn.functional.interpolate(x, size=size)


def test_a_tuple_of_integers_can_be_given_as_such():
    sizes = [16, 16]
    found = profile(resized, [(1, 3, 8, 8), plain(sizes)])
    assert found.operations[-1].outputs[0].shape == (1, 3, 16, 16)
    assert found.about["inputs"] == ["float32[1, 3, 8, 8]", [16, 16]]
    assert len(profile(resized, (1, 3, 8, 8), kwargs={"size": plain((4, 4))})) == len(found)
    assert len(profile(resized, [(1, 3, 8, 8), plain((4, 4))], execute=True)) == len(found)
    (first, second), _ = seen([[plain(sizes)], {"deep": plain((1, 2))}])
    assert first[0] is sizes
    assert second == {"deep": (1, 2)}


class Signatures(nn.Module):
    """A forward with a parameter of each kind, which holds what it gets to that."""

    def forward(
        self, x, pair: tuple[int, int], text: list[int] | None, either: int | Sequence[int], size=(7, 7), *,
        tensor: torch.Tensor = (7, 7), maybe: torch.Tensor | None = None, unsaid=None, nested: list[tuple[int, int]]
    ):  # fmt: skip
        assert nested == [(1, 2), (3, 4)]
        assert [pair, text, either, size] == [(2, 3), [2, 3], (2, 3), (2, 3)]
        assert all(tuple(each.shape) == (2, 3) for each in (x, tensor, maybe, unsaid))


def test_annotations_and_defaults_tell_integers_from_shapes():
    names = ("tensor", "maybe", "unsaid")
    named = {**dict.fromkeys(names, (2, 3)), "nested": [(1, 2), (3, 4)]}
    profile(Signatures(), [(2, 3), (2, 3), [2, 3], (2, 3), (2, 3)], kwargs=named)
    by_name = {"x": (2, 3), "pair": (2, 3), "text": [2, 3], "either": (2, 3), "size": (2, 3)}
    profile(Signatures(), by_name, kwargs=named)
    profile(Signatures().forward, by_name, kwargs=named)
    assert tuple(seen([(2, 3), [2, 3]])[0][1].shape) == (2, 3)


@pytest.mark.parametrize("name", ["mask", "src_key_padding_mask"])
def test_a_mask_of_numbers_is_looked_at(name):
    shape = (7, 7) if name == "mask" else (2, 7)
    mask = torch.zeros(shape).masked_fill(torch.ones(shape).triu(1).bool(), -torch.inf)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2)
    before = mask.clone()
    fake, real = (profile(encoder, (2, 7, 16), kwargs={name: mask}, execute=execute) for execute in (False, True))
    assert fake.total("exact") == real.total("exact")
    assert torch.equal(mask, before)
