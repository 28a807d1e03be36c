"""Autocast: what runs is counted, in the user's block and in the model's own, and no stand-in stays in its store."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from flopsight import Profiler, profile
from flopsight.errors import ModelError


class Contraction(nn.Module):
    """Operators that autocast casts as a whole, and one that it casts inside; then one that depends on the outcome.

    own: the dtype of an autocast block inside; None for none.
    """

    def __init__(self, own=None):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8))
        self.linear = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.own = own

    def forward(self, x):
        with torch.autocast("cpu", dtype=self.own or torch.bfloat16, enabled=self.own is not None or WHOLE[0]):
            y = torch.einsum("ij,jk->ik", x, self.weight)
            z = torch.einsum("ij,kj->ik", self.norm(y), self.weight)
        y = torch.bilinear(x, x, self.weight[None].expand(3, 8, 8), None)
        z = self.linear(self.linear(z.to(self.linear.weight.dtype)))
        w = self.attention(z[None], z[None], z[None])[0]
        return z, (y, torch.cdist(w.float(), w.float())) if z.dtype == torch.float32 else w + 1


WHOLE = [False]
"""Whether the tests have an autocast block around the model, which the model's own block is not to turn off."""


class block:
    """The user's own autocast block, or none."""

    def __init__(self, dtype, **options):
        self.mode = torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None, **options)
        self.on = dtype is not None

    def __enter__(self):
        WHOLE[0] = self.on
        self.mode.__enter__()

    def __exit__(self, *error):
        WHOLE[0] = False
        self.mode.__exit__(*error)


def calls(record):
    """Calls by operator, dtype and arguments."""
    operations = [c.operation for c in record]
    return Counter(
        (o.operator, o.dtype, tuple(map(str, o.inputs.values()))) for o in operations if "detach" not in o.operator
    )


@pytest.mark.parametrize("grad", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("cached", [True, False])
def test_what_runs_under_autocast_is_counted_whatever_was_remembered(grad, cached):
    model = Contraction()
    for dtype in (torch.bfloat16, None, torch.float16, None, torch.bfloat16):
        x = torch.randn(3, 8)
        with grad(), block(dtype, cache_enabled=cached):
            fake, executed = profile(model, x), profile(model, x, execute=True)
            torch.clear_autocast_cache()
            with Profiler() as profiler:
                model(x)
        assert calls(fake) == calls(executed) == calls(profiler.profile), dtype
        assert (dtype is None) == ({"bfloat16", "float16"}.isdisjoint(fake.by_dtype()))


class Frequent(nn.Module):
    """The composite operators of which autocast is not asked each time."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, 3, 3))
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        y = F.dropout(self.norm(torch.conv2d(x, self.weight)), training=self.training)
        y = y.flatten(2).transpose(1, 2).contiguous().reshape(2, 3, -1, 4)
        y = F.linear(y.to(torch.float32).to("cpu"), self.weight.new_ones(4, 4))
        return F.scaled_dot_product_attention(y, y, y.double().to(y.dtype)) @ y.mT


def test_the_frequent_operators_are_as_they_run_under_autocast():
    model = Frequent().eval()
    for dtype in (None, torch.bfloat16, None, torch.float16, torch.bfloat16):
        x = torch.randn(2, 3, 5, 5)
        with torch.no_grad(), block(dtype):
            fake, executed = profile(model, x), profile(model, x, execute=True)
            with Profiler() as profiler:
                model(x)
        assert calls(fake) == calls(executed) == calls(profiler.profile), dtype
        assert (dtype is None) == ({"bfloat16", "float16"}.isdisjoint(fake.by_dtype()))


@pytest.mark.parametrize("outside", [None, torch.bfloat16])
@pytest.mark.parametrize("own", [torch.bfloat16, torch.float16])
def test_a_block_inside_the_model(own, outside):
    model, x = Contraction(own), torch.randn(3, 8)
    for _ in range(2):
        with block(outside):
            assert calls(profile(model, x)) == calls(profile(model, x, execute=True))


@pytest.mark.parametrize("way", [{}, {"backward": True}, {"execute": True}])
def test_the_users_block_goes_on_with_the_users_weights(way):
    model, x = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)), torch.randn(2, 8)
    with torch.autocast("cpu"):
        expected = model(x)
        profile(model, x, **way)
        found = model(x)
        with pytest.raises(ModelError):
            profile(nn.Sequential(model, nn.Linear(5, 4)), x, **way)
        assert torch.equal(model(x), expected)
    assert type(found) is torch.Tensor
    assert torch.equal(found, expected)


def test_casts_of_weights_are_counted_as_in_a_block_that_begins():
    model, x = nn.Linear(8, 8), torch.randn(2, 8)
    with torch.autocast("cpu"):
        first = calls(profile(model, x))
        model(x)
        assert calls(profile(model, x)) == first == calls(profile(model, x, execute=True))
