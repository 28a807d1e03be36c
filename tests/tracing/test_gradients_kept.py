"""Every leaf that a backward pass of a profile reaches has, after it, the gradient that it had before."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from flopsight import profile

BOTH = pytest.mark.parametrize("execute", [False, True])
BEFORE = pytest.mark.parametrize("with_gradient", [False, True])


def leaf(with_gradient=False):
    weight = torch.randn(8, 4, requires_grad=True)
    if with_gradient:
        weight.grad = torch.full((8, 4), 2.0)
    return weight


def assert_usable(weight, gradient, step):
    """The gradient is the object it was, with its values, and a real backward adds to it."""
    assert weight.grad is gradient
    assert gradient is None or torch.equal(gradient, torch.full(gradient.shape, 2.0))
    step().sum().backward()
    assert type(weight.grad) is torch.Tensor


@BOTH
@BEFORE
def test_a_leaf_that_a_function_closes_over(execute, with_gradient):
    weight, x = leaf(with_gradient), torch.randn(2, 8)
    gradient = weight.grad
    p = profile(lambda x: x @ weight, x, backward=True, execute=execute)
    assert p.total("macs", phase="backward") == 2 * 8 * 4
    assert_usable(weight, gradient, lambda: x @ weight)


@BOTH
@BEFORE
def test_a_module_that_is_not_called(execute, with_gradient):
    linear, x = nn.Linear(8, 4), torch.randn(2, 8)
    if with_gradient:
        linear.weight.grad = torch.full((4, 8), 2.0)
    gradient = linear.weight.grad
    profile(lambda x: F.linear(x, linear.weight, linear.bias), x, backward=True, execute=execute)
    assert linear.bias.grad is None
    assert_usable(linear.weight, gradient, lambda: linear(x))


class Hider(nn.Module):
    """Holds a module in a list and a leaf in an attribute, and runs the former past its `__call__`."""

    def __init__(self):
        super().__init__()
        self.hidden = [nn.Linear(8, 8)]
        self.plain = leaf()

    def forward(self, x):
        return self.hidden[0].forward(x) @ self.plain


@BOTH
def test_modules_in_lists_and_leaves_in_attributes(execute):
    model, x = Hider(), torch.randn(2, 8)
    profile(model, x, backward=True, execute=execute)
    for weight in (model.plain, model.hidden[0].weight, model.hidden[0].bias):
        assert weight.grad is None
    assert_usable(model.plain, None, lambda: model(x))


@BOTH
@BEFORE
def test_a_function_that_calls_backward_itself(execute, with_gradient):
    weights = [leaf(with_gradient), leaf(with_gradient)]
    gradients = [weight.grad for weight in weights]
    held = {"weights": weights}

    def step(x):
        for weight in held["weights"]:
            (x @ weight).sum().backward()

    x = torch.randn(2, 8)
    profile(step, x, execute=execute)
    for weight, gradient in zip(weights, gradients, strict=True):
        assert_usable(weight, gradient, lambda weight=weight: x @ weight)


@BOTH
def test_a_graph_made_before_can_still_be_used(execute):
    weight = leaf()
    encoded = torch.exp(weight)
    other = torch.randn(4, 3, requires_grad=True)
    profile(lambda x: x @ encoded @ other, torch.randn(2, 8), backward=True, execute=execute)
    assert weight.grad is None
    assert other.grad is None
    encoded.sum().backward()
    assert torch.equal(weight.grad, torch.exp(weight))


@dataclasses.dataclass(slots=True)
class Slotted:
    """An output that has slots in place of a dict."""

    hidden: torch.Tensor
    steps: int = 3


class Wrapped:
    """An output in an output."""

    __slots__ = ("inner",)

    def __init__(self, inner):
        self.inner = inner


@pytest.mark.parametrize("wrap", [Slotted, lambda y: Wrapped(Slotted(y)), lambda y: [Slotted(y)]])
def test_outputs_in_slots_are_found_for_backward(wrap):
    linear = nn.Linear(8, 4, bias=False)
    p = profile(lambda x: wrap(linear(x)), (2, 8), backward=True)
    assert p.total("macs", phase="backward") == 2 * 8 * 4


@BOTH
def test_an_optimizer_that_steps_inside_backward(execute):
    model = nn.Sequential(nn.Linear(8, 4, bias=False), nn.Linear(4, 2, bias=False))
    before = [p.detach().clone() for p in model.parameters()]
    for parameter in model.parameters():
        optimizer = torch.optim.SGD([parameter], lr=0.1)

        def step(parameter, optimizer=optimizer):
            optimizer.step()
            optimizer.zero_grad()

        parameter.register_post_accumulate_grad_hook(step)
    p = profile(model, (3, 8), backward=True, execute=execute)
    assert p.total("macs", phase="backward") == 3 * 8 * 4 + 2 * 3 * 4 * 2
    assert p.total("exact", phase="optimizer") >= 2 * (8 * 4 + 4 * 2), "each gradient is multiplied and subtracted"
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))
    assert all(p.grad is None for p in model.parameters())
    model(torch.randn(3, 8)).sum().backward()
