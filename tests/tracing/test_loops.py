"""A training loop of the user's own, as a function and in a block, on real tensors and on PyTorch's fake ones."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from flopsight import Profiler, profile

FINITE = "Gradients are taken to be finite, so that the optimizer steps."


class Loop:
    """Two micro-batches under autocast, two optimizers with a scaler and a schedule, a clipped gradient, an average."""

    def __init__(self):
        torch.manual_seed(0)
        self.model, self.average = ([nn.Linear(64, 256), nn.Linear(256, 64)] for _ in range(2))
        first, second = self.model
        self.optimizers = torch.optim.AdamW(first.parameters()), torch.optim.SGD(second.parameters(), momentum=0.9)
        self.schedules = [torch.optim.lr_scheduler.StepLR(each, step_size=1) for each in self.optimizers]
        self.scaler = torch.amp.GradScaler("cpu")
        self.x = torch.randn(32, 64)

    def __call__(self):
        first, second = self.model
        scaler = self.scaler
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        for _ in range(2):
            with torch.autocast("cpu", torch.bfloat16):
                loss = second(first(self.x).relu()).square().mean() / 2
            scaler.scale(loss).backward()
        scaler.unscale_(self.optimizers[0])
        nn.utils.clip_grad_norm_(first.parameters(), 1.0)
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            scaler.step(optimizer)
            schedule.step()
        scaler.update()
        with torch.no_grad():
            for kept, layer in zip(self.average, self.model, strict=True):
                for old, new in zip(kept.parameters(), layer.parameters(), strict=True):
                    old.lerp_(new, 0.1)


def in_a_block(loop):
    with Profiler(memory=True) as profiler:
        loop()
    return profiler.profile


def steady():
    loop = Loop()
    loop()
    return loop


@pytest.fixture(scope="module")
def real():
    return in_a_block(steady())


def assert_same(found, real):
    assert found.total("exact") == real.total("exact") > 0
    assert found.macs == real.macs > 0
    assert found.memory.peak_bytes == real.memory.peak_bytes
    assert found.memory.at_peak == real.memory.at_peak
    assert {"parameters", "gradients", "optimizer state", "saved"} < found.memory.at_peak.keys()


def test_a_loop_in_pytorchs_fake_mode_is_the_real_one(real):
    with FakeTensorMode():
        loop = Loop()
        in_a_block(loop)
        found = in_a_block(loop)
    assert_same(found, real)
    assert found.notes == [FINITE]
    assert not real.notes


def test_a_loop_that_is_not_computed_is_the_real_one(real):
    loop = steady()
    found = profile(lambda: loop(), memory=True)
    assert_same(found, real)
    assert FINITE in found.notes


def test_scalers_and_schedules_of_a_loop_are_left_as_they_were():
    loop = steady()
    before = copy.deepcopy([each.state_dict() for each in (loop.scaler, *loop.schedules)])
    profile(lambda: loop(), memory=True)
    assert [each.state_dict() for each in (loop.scaler, *loop.schedules)] == before
    loop()  # a scaler that had been left between two steps would refuse
    assert [each.last_epoch for each in loop.schedules] == [2, 2]


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("inner", [False, True])
def test_a_block_in_or_around_pytorchs_fake_mode_counts(memory, inner):
    mode = FakeTensorMode()
    with nullcontext() if inner else mode, Profiler(memory=memory) as profiler, mode if inner else nullcontext():
        nn.Linear(3, 4)(torch.randn(2, 3))
    assert profiler.profile.macs == 2 * 3 * 4
