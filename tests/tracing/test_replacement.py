"""What takes a detour while a run is active: the method of `nn.Module`, whoever has replaced it, and a look-up."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._library import simple_registry
from torch.utils._python_dispatch import TorchDispatchMode

from flopsight import profile


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


class Failing(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise KeyboardInterrupt


def calls(model: nn.Module) -> dict[str, int]:
    return {path: node.calls for path, node in profile(model, (2, 4)).modules.items()}


def test_the_method_is_what_it_was_after_a_run_and_after_one_that_fails():
    method, code = nn.Module.__call__, nn.Module.__call__.__code__
    profile(Inner(), (2, 4))
    with pytest.raises(KeyboardInterrupt):
        profile(Failing(), (2, 4))
    assert nn.Module.__call__ is method
    assert (method.__code__, method.__kwdefaults__, method.__defaults__) == (code, None, None)


def test_the_classes_below_are_not_told_of_another_method():
    seen = []

    class Curious(nn.Module):
        def forward(self, x):
            seen.append(vars(nn.Module)["__call__"])
            return x

    method = nn.Module.__call__
    profile(Curious(), (2, 4))
    assert seen == [method]


def test_a_method_that_somebody_has_replaced_before(monkeypatch):
    original, before = nn.Module.__call__, []

    def with_more(self, *args, **kwargs):
        before.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(nn.Module, "__call__", with_more)
    assert calls(Inner()) == {"": 1, "linear": 1}
    assert nn.Module.__call__ is with_more
    model = Inner()
    before.clear()
    model(torch.ones(2, 4))
    assert before == [model, model.linear]


def test_a_method_with_defaults_that_somebody_has_put_there_before(monkeypatch):
    def other(self, x, more=0, *, less=0):
        return self._call_impl(x + more - less)

    monkeypatch.setattr(nn.Module, "__call__", other)
    assert calls(Inner()) == {"": 1, "linear": 1}
    assert (other.__defaults__, other.__kwdefaults__) == ((0,), {"less": 0})


def test_a_trace_inside_a_forward_calls_the_original():
    class Traces(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(Inner())

        def forward(self, x):
            torch.fx.symbolic_trace(self.inner)
            return self.inner(x)

    assert calls(Traces()) == {"": 1, "inner": 1, "inner.0": 1, "inner.0.linear": 1}


class WithARule(TorchDispatchMode):
    """A mode of the user's, that has a rule for one operator."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


class UnderAMode(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.run = run

    def forward(self, x):
        with WithARule():
            return self.run(x)


def test_a_rule_for_a_mode_of_the_users_is_asked_during_a_run_and_after_it():
    asked = []
    code = simple_registry.find_torch_dispatch_rule.__code__
    with torch.library._scoped_library("flopsight_test", "FRAGMENT") as library:
        library.define("twice(Tensor x) -> Tensor")
        library.impl("twice", lambda x: 2 * x, "CPU")
        library.impl("twice", torch.empty_like, "Meta")
        twice = torch.ops.flopsight_test.twice.default

        def rule(mode, func, types, args, kwargs):
            asked.append(func)
            return func(*args, **(kwargs or {}))

        torch.library.register_torch_dispatch("flopsight_test::twice", WithARule, rule, lib=library)
        profile(UnderAMode(twice), (2, 3))
        assert asked == [twice]
        with WithARule():
            twice(torch.ones(2))
        assert asked == [twice, twice]
    assert simple_registry.find_torch_dispatch_rule.__code__ is code
