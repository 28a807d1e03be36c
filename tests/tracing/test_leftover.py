"""A stand-in that outlives its profile is said, with who holds it."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn

from flopsight import profile
from flopsight.errors import StandInWarning
from flopsight.tracing.fake import Fake
from flopsight.tracing.untouched import leftover
from flopsight.tracing.untouched.others import OtherThreads

SEEN = []


def to_a_global(x):
    SEEN.append(x)
    return x


def to_a_variable():
    seen = []

    def model(x):
        seen.append({"x": [x]})
        return x

    return model


class Model(nn.Module):
    """Leaves its output in an attribute of a module of PyTorch's."""

    def forward(self, x):
        torch.left_by_a_model = x
        return x


@pytest.mark.parametrize(
    ("make", "holder"),
    [
        (lambda: to_a_global, "the global 'SEEN' of module '.*test_leftover'"),
        (to_a_variable, "the function 'to_a_variable.<locals>.model'"),
        (Model, "the global 'left_by_a_model' of module 'torch'"),
    ],
)
def test_the_holder_is_named(make, holder):
    model = make()
    with pytest.warns(StandInWarning, match=f"still held by {holder}"):
        profile(model, (2, 3))
    SEEN.clear()
    vars(torch).pop("left_by_a_model", None)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("execute", [False, True])
def test_no_stand_in_is_left_and_nothing_is_said(backward, execute):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        profile(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), (2, 3), backward=backward, execute=execute)


def test_what_a_cycle_holds_is_not_said():
    class Loop:
        def __init__(self, x):
            self.x, self.me = x, self

    profile(lambda x: Loop(x) and x, (2, 3))


def test_what_an_earlier_profile_left_is_not_said_again():
    with pytest.warns(StandInWarning):
        profile(to_a_global, (2, 3))
    profile(nn.Linear(3, 3), (2, 3))
    assert type(SEEN.pop()) is Fake


class LateThread:
    """Another thread, which waits until a run has looked for it once, and then runs."""

    def __init__(self):
        self.asked = 0

    def ran(self):
        self.asked += 1
        return self.asked > 1


@pytest.mark.parametrize(("others", "told"), [(OtherThreads, 1), (LateThread, 0)])
def test_a_thread_that_runs_during_the_search_may_hold_what_is_found(others, told):
    before = leftover.alive()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.warns(StandInWarning):
            profile(to_a_global, (2, 3))
        leftover.warn_of_leftovers(before, others())
    SEEN.clear()
    assert len(said) == told


CYCLES = """
import ast, gc, sys
from torch import nn
from flopsight import profile

way = ast.literal_eval(sys.argv[1])
model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
profile(model, (1, 3, 8, 8), **way)
gc.collect()
gc.disable()
for size in (8, 9):
    profile(model, (1, 3, size, 8), **way)
    print(gc.collect())
"""
"""In a process of its own: the threads of one that runs many tests leave cycles too, now and then."""


@pytest.mark.parametrize("way", [{}, {"backward": True}, {"memory": True}, {"execute": True}], ids=str)
def test_a_run_leaves_no_cycles_to_collect(way):
    found = subprocess.run([sys.executable, "-c", CYCLES, repr(way)], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["0", "0"]
