"""What is known of the tensors of a model, read at once: those of the same properties share it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flopsight import profile
from flopsight.tracing.fake import metadata_of
from flopsight.tracing.likeness import likenesses
from flopsight.tracing.metadata import metadata


def test_tensors_of_the_same_properties_share_what_is_known():
    first, second, other = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.zeros(2, 3)), torch.ones(2, 3)
    known = likenesses([first, other, second])
    assert known[0] is known[2]
    assert [like.trainable for like in known] == [True, False, True]
    assert all(like.plain and like.has_values for like in known)


def test_each_property_tells_them_apart():
    wide = torch.ones(4, 5)
    others = {
        "shape": torch.ones(4, 4),
        "stride": torch.ones(5, 4).t(),
        "dtype": torch.ones(4, 5, dtype=torch.float16),
        "has_values": torch.ones(4, 5, device="meta"),
        "trainable": torch.ones(4, 5, requires_grad=True),
    }
    for what, other in others.items():
        pair = likenesses([wide, other])
        first, second = (getattr(like if what in like._fields else like.metadata, what) for like in pair)
        assert first != second, what


def test_sparse_tensors_of_the_same_shape_hold_different_numbers_of_elements():
    class Holds(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("one", torch.eye(3)[:1].to_sparse())
            self.register_buffer("three", torch.eye(3).to_sparse())
            self.register_buffer("two", torch.tensor([[1.0, 1.0, 0.0]] + [[0.0] * 3] * 2).to_sparse())

        def forward(self, x):
            return x

    stored = {each.name: each.spec.stored for each in profile(Holds(), (2, 3)).modules[""].parameters}
    assert stored == {"one": 1, "three": 3, "two": 2}


def test_what_has_no_shape_yet_is_not_known_and_the_rest_is():
    lazy = nn.LazyLinear(3).weight
    plain = torch.ones(2)
    known = likenesses([plain, lazy, torch.ones(2)])
    assert known[1] is None
    assert [like.metadata.shape for like in (known[0], known[2])] == [(2,), (2,)]


@pytest.mark.parametrize("given", [(4, 5, 8), ("batch", "seq", 8)])
def test_what_is_known_of_a_c_array_is_the_same_with_its_strides_and_without(given):
    def model(x):
        of = metadata_of(x)
        assert metadata(of.shape, None, of.dtype) is metadata(of.shape, of.stride, of.dtype)
        return x.tanh()

    profile(model, given)
