"""Nothing of the user's is touched: compared before and after, also on exception and Ctrl-C, under both modes."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import optimizer as optimizer_module

import flopsight
from flopsight import profile


class Meddler(nn.Module):
    """A model that leaves its marks: statistics, buffers, attributes, gradients, random draws, global state."""

    def __init__(self, ending=None):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.frozen_part = nn.Sequential(nn.BatchNorm2d(4)).eval()
        self.register_buffer("steps", torch.zeros(3))
        self.register_buffer("late", None)
        self.cache = {"old": 1}
        self.log = []
        self.ending = ending

    def forward(self, x):
        random.random()
        np.random.rand()
        torch.rand(2)
        y = self.frozen_part(self.drop(self.norm(self.conv(x))))
        self.steps += 1
        self.steps[0] = 5
        self.late = y.mean()
        self.last = y
        self.cache["new"] = y
        self.log.append(y)
        with torch.no_grad():
            self.conv.weight.mul_(2)
        if self.ending is not None:
            raise self.ending("no")  # a new one: it holds the frames of this run
        return y


def everything(model):
    """All that must be as it was."""
    tensors = {name: (t, t.clone()) for name, t in model.state_dict(keep_vars=True).items()}
    return {
        "tensors": tensors,
        "identities": {name: id(t) for name, t in model.state_dict(keep_vars=True).items()},
        "gradients": [p.grad for p in model.parameters()],
        "gradient values": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "modes": [m.training for m in model.modules()],
        "hooks": [[len(v) for k, v in vars(m).items() if "hooks" in k] for m in model.modules()],
        "attributes": [{k: id(v) for k, v in vars(m).items()} for m in model.modules()],
        "cache": dict(model.cache),
        "log": list(model.log),
        "random": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),
        "functional": {k: id(v) for k, v in vars(F).items()},
        "module class": {k: id(v) for k, v in vars(nn.Module).items()},
        "global hooks": [
            len(v) for k, v in vars(nn.modules.module).items() if k.startswith("_global") and hasattr(v, "__len__")
        ],
        "optimizer hooks": [len(v) for k, v in vars(optimizer_module).items() if k.startswith("_global")],
        "switches": (
            torch.is_grad_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.get_default_dtype(),
            torch.get_default_device(),
            torch.backends.mha.get_fastpath_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_inference_mode_enabled(),
            torch._C._len_torch_dispatch_stack(),
            torch._C._len_torch_function_stack(),
        ),
    }


def assert_same(before, after):
    for what in before:
        if what in ("tensors", "gradient values"):
            continue
        assert before[what] == after[what], f"{what} changed"
    for name, (tensor, values) in before["tensors"].items():
        assert torch.equal(tensor, values), f"{name} has other values"
    for old, now in zip(before["gradient values"], (p for p in after["gradients"]), strict=True):
        assert (old is None and now is None) or torch.equal(old, now), "a gradient has other values"


def with_gradients(model):
    for parameter in list(model.parameters())[:2]:
        parameter.grad = torch.ones_like(parameter)
    return model


@pytest.mark.parametrize("execute", [False, True])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("ending", [None, ValueError, KeyboardInterrupt])
def test_nothing_is_touched(execute, backward, ending):
    model = with_gradients(Meddler(ending))
    before = everything(model)
    if ending is None:
        assert profile(model, (2, 3, 8, 8), execute=execute, backward=False).macs > 0
    expected = (flopsight.errors.ModelError, KeyboardInterrupt)
    if (
        ending is not None or backward
    ):  # the meddling with a weight makes backward impossible, which is one more exception
        with pytest.raises(expected):
            profile(model, (2, 3, 8, 8), execute=execute, backward=backward)
    assert_same(before, everything(model))


@pytest.mark.parametrize("execute", [False, True])
def test_gradients_are_as_before_after_a_backward(execute):
    model = with_gradients(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    model.cache, model.log = {}, []
    before = everything(model)
    assert profile(model, (2, 3, 8, 8), execute=execute, backward=True).total("macs", phase="backward") > 0
    assert_same(before, everything(model))


@pytest.mark.parametrize("execute", [False, True])
def test_inputs_are_as_before(execute):
    x = torch.ones(2, 3, requires_grad=True)
    ids = torch.tensor([1, 2])
    given = [x, {"ids": ids}]

    def model(x, more):
        more["ids"] += 1
        more["extra"] = 1
        with torch.no_grad():
            x.mul_(2)
        return x

    profile(model, given, execute=execute)
    assert torch.equal(x, torch.ones(2, 3))
    assert ids.tolist() == [1, 2]
    assert x.grad is None
    assert given == [x, {"ids": ids}]


def test_a_training_function_leaves_no_gradients():
    model = nn.Linear(3, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    weight = model.weight.detach().clone()

    def step(x):
        model(x).sum().backward()
        optimizer.step()

    p = profile(step, (2, 3))
    assert p.total("exact", phase="optimizer") > 0
    assert torch.equal(model.weight, weight)
    assert model.weight.grad is None


def test_the_profiler_leaves_the_effects_of_the_users_code_and_nothing_else():
    model = Meddler()
    hooks = everything(model)["global hooks"]
    with flopsight.Profiler():
        model(torch.ones(2, 3, 8, 8))
    assert model.steps.tolist() == [5, 1, 1]
    assert isinstance(model.last, torch.Tensor)
    assert everything(model)["global hooks"] == hooks
    with pytest.raises(KeyboardInterrupt), flopsight.Profiler():
        raise KeyboardInterrupt
    assert torch._C._len_torch_dispatch_stack() == 0


def test_two_threads_profile_at_once():
    models = [nn.Sequential(*(nn.Linear(8, 8) for _ in range(20 + n))) for n in range(4)]
    found = {}

    def run(n):
        for _ in range(5):
            found[n] = {
                path: tally.macs for path, tally in profile(models[n], (3, 8), backward=True).by_module().items()
            }

    alone = [{path: t.macs for path, t in profile(m, (3, 8), backward=True).by_module().items()} for m in models]
    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[n] for n in range(4)] == alone


@pytest.mark.parametrize("given", [lambda y: (2, 4), lambda y: y, lambda y: torch.rand(2, 4).requires_grad_()])
def test_profiles_nest(given):
    inner = nn.Linear(4, 5)

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 4)

        def forward(self, x):
            y = self.linear(x)
            assert profile(inner, given(y)).macs == 2 * 4 * 5
            return y @ y.t()

    p = profile(Outer(), (2, 3))
    assert p.macs == 2 * 3 * 4 + 2 * 2 * 4
    assert list(p.modules) == ["", "linear"]
