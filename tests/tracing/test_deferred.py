"""Constants too large to be computed at once: their values are there when a program asks for them, as of then."""

from __future__ import annotations

import gc
import random
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from flopsight import errors, profile

N = 300  # N * N elements are more than are computed at once


def same_as_run(program):
    """What a program returns is the same in a run without computing as outside of any."""
    found = []
    profile(lambda: found.append(program()))
    assert found == [program()]
    return found[0]


class Masked(nn.Linear):
    """Takes a dearer path where the mask, made of those of the tokens, hides anything."""

    def forward(self, x, mask):
        both = (1.0 - mask[:, None] * mask[:, :, None].float()).masked_fill(mask[:, None] == 0, -1.0)
        y = super().forward(x)
        return y @ y.mT if (both < 0).flatten().any() else y


@pytest.mark.parametrize(("hidden", "extra"), [(0, 0), (5, N * N * 4)])
@pytest.mark.parametrize("backward", [False, True])
def test_a_large_mask_decides_what_runs(hidden, extra, backward):
    mask = torch.ones(1, N, dtype=torch.int64)
    mask[:, N - hidden :] = 0
    given = [torch.randn(1, N, 4), mask]
    fake, real = (profile(Masked(4, 4), given, execute=execute, backward=backward) for execute in (False, True))
    assert fake.total("exact") == real.total("exact")
    assert fake.macs >= N * 4 * 4 + extra
    assert backward or fake.macs == N * 4 * 4 + extra


def test_integers_given_may_be_large():
    ids = torch.arange(N * N).view(N, N)
    fake, real = (
        profile(lambda ids: ids[ids % 7 == 0].float() @ torch.ones(int((ids % 7 == 0).sum())), ids, execute=execute)
        for execute in (False, True)
    )
    assert fake.macs == real.macs == -(-N * N // 7)


def test_values_are_those_of_the_time():
    def program():
        x = torch.zeros(N, N, dtype=torch.int64)
        before, column = x + 1, x[:, 3]
        column.add_(2)
        between = x.clone()
        x[5] = 7
        x.unsqueeze_(0)
        after = column * 10
        x.zero_()
        return [int(t.sum()) for t in (before, between, after, column, x)] + list(x.shape)

    assert same_as_run(program) == [N * N, 2 * N, 20 * (N - 1) + 70, 0, 0, 1, N, N]


def test_small_constants_are_read_before_they_change():
    def program():
        steps = torch.arange(N)
        table, view = steps[:, None] - steps[None], steps[:2]
        steps.add_(1)
        later = steps[:, None] * steps[None]
        steps.unsqueeze_(0)
        view.fill_(-1)
        return int(table.abs().sum()), int(later.sum()), steps.tolist()

    same_as_run(program)


def test_large_sources_are_written_to_small_constants():
    def program():
        large, small = torch.arange(N * N).view(N, N), torch.zeros(3, dtype=torch.int64)
        small.copy_(large[-1, -3:])
        large.sub_(1)
        return small.tolist(), torch.stack([small, large[0, :3]]).tolist()

    assert same_as_run(program)[0] == [N * N - 3, N * N - 2, N * N - 1]


def test_every_way_to_ask():
    def program():
        x = torch.arange(N * N).view(N, N)
        first = x[0, :3]
        parts = torch.tensor_split(torch.arange(9), first[1:])
        return (
            first.tolist(), first.numpy().tolist(), np.asarray(first, dtype="float32").tolist(), str(first),
            f"{x[2, 1]:05d}", int(x[1, 1]), bool((x > 5).any()), len(x.nonzero()), x[x > 9].shape, 17 in x,
            [len(part) for part in parts], x.unique().numel(), list(range(3))[first[1]], torch.equal(x, x.clone()),
            x.data[0, 1].item(), [t.item() for t in x.split(100)[1][0, :2]], x.detach().t()[2, 0].item(),
        )  # fmt: skip

    same_as_run(program)


def test_libraries_do_not_take_them_for_stand_ins_without_values():
    seen = []

    def program():
        seen.append(isinstance(torch.zeros(N, N, dtype=torch.int64), FakeTensor))

    profile(program)
    assert seen == [False]


@pytest.mark.parametrize(
    "write",
    [lambda x, y: x.add_(y), lambda x, y: x[0].copy_(y[0]), lambda x, y: x.t().mul_(y), lambda x, y: x.bernoulli_(0.5)],
)
def test_what_has_no_values_takes_them_away(write):
    def program(y):
        x = torch.zeros(N, N)
        view, before = x[2:4], x + 1
        write(x, y)
        assert before[0, 0].item() == 1.0
        return view.sum().item()

    with pytest.raises(errors.NeedsValuesError, match=r"item\(\)"):
        profile(program, (N, N))


def test_values_that_would_take_too_long():
    def program(size):
        return bool((torch.zeros(size, size) > 0).any())

    profile(lambda: program(1024))
    with pytest.raises(errors.NeedsValuesError, match=r"worked out from [\d,]+ elements, which is too many"):
        profile(lambda: program(65536))


def test_another_size_in_place():
    def resized(out):
        return torch.add(torch.zeros(N, N), 1, out=out).shape, out.shape

    same_as_run(lambda: resized(torch.zeros(2, N, N)[:0].clone().resize_(0)))
    same_as_run(lambda: [torch.zeros(N, N).set_(torch.ones(2, 2)).shape, torch.zeros(N, N).resize_(3).shape])


@pytest.mark.parametrize("graded", [False, True])
def test_gradients_of_what_is_made_of_parameters(graded):
    """A mask that no parameter is part of leaves attention on the path it takes without gradients."""

    class Biased(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1), requires_grad=graded)

        def forward(self, q):
            steps = torch.arange(N)
            mask = (steps[:, None] - steps[None]).abs().float() * -self.scale
            seen.append(mask.requires_grad)
            return nn.functional.scaled_dot_product_attention(q, q, q, attn_mask=mask)

    seen = []
    fake, real = (profile(Biased(), (1, 2, N, 8), execute=execute) for execute in (False, True))
    assert seen[-2:] == [graded, graded]
    assert fake.total("exact") == real.total("exact")
    assert len(fake) == len(real)


class Random:
    """A program of views, writes and operators on large constants; it asks for values now and then."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.tensors = [torch.arange(N * N).view(N, N) % 97, torch.arange(N)[None] % 13]
        self.asked = []

    def one(self):
        return self.draw.choice(self.tensors)

    def step(self):
        draw, x, y = self.draw, self.one(), self.one()
        kind = draw.randrange(9)
        at = draw.randrange(10)
        if kind == 0:
            self.tensors.append(x[at % x.shape[0] :])
        elif kind == 1:
            self.tensors.append(x[:, at : at + 270].unsqueeze(0)[0])
        elif kind == 2:
            self.tensors.append(torch.where(x % 2 == 0, x, x + at))
        elif kind == 3 and x.shape == y.shape:
            x.sub_(y).remainder_(101)
        elif kind == 4:
            x[..., at].fill_(at)
        elif kind == 5 and x.shape == y.shape:
            x.copy_(y.flip(0))
        elif kind == 6 and x.shape == y.shape:
            self.tensors.append(torch.maximum(x, y))
        elif kind == 7:
            x.masked_fill_(x > 90, at)
        elif kind == 8 and draw.random() < 0.3:
            self.asked.append(int(x.double().mul(torch.arange(x.shape[1]) + 1).sum()))

    def run(self):
        for _ in range(40):
            self.step()
        return self.asked + [int(x.double().mul(torch.arange(x.shape[1]) + 1).sum()) for x in self.tensors]


@pytest.mark.parametrize("seed", range(30))
def test_random_programs(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same_as_run(lambda: Random(seed).run())


def test_one_that_outlives_the_run_has_its_values():
    kept = []

    def program(x):
        kept.append(torch.arange(N * N).view(N, N) + 1)
        kept[0].mul_(2)
        return x * kept[0]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        profile(program, (N, N))
    assert (kept[0] - 1)[-1, -1].item() == 2 * N * N - 1


def test_what_an_earlier_run_left_is_not_told_of_a_later_one():
    left = []

    def leaving(x):
        left.append(torch.zeros(N, N))
        left[0].add_(x)

    def program(x):
        kept.append(torch.arange(N * N).view(N, N) + 1)
        kept[0].mul_(2)
        return x * kept[0]

    kept = []
    with pytest.warns(errors.StandInWarning, match="has no values"):
        profile(leaving, (N, N))
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        profile(program, (N, N))
    assert left


def test_one_that_outlives_the_run_without_values_is_told():
    kept = []

    def program(x):
        kept.append(torch.zeros(N, N))
        kept[0].add_(x)

    with pytest.warns(errors.StandInWarning, match="has no values"):
        profile(program, (N, N))
