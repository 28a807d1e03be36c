"""Derivatives in forward mode are counted without values as they are with them."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch import nn

from flopsight import profile
from flopsight.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit")  # PyTorch itself uses it for derivatives
D = 4


class Cubed(nn.Module):
    """A linear layer, a nonlinearity, and a number made of them."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(D, D)

    def forward(self, x):
        return (torch.tanh(self.linear(x)) ** 3).sum(-1)


def dual(model):
    """The derivative by dual numbers."""

    def run(x):
        with forward_ad.dual_level():
            return forward_ad.unpack_dual(model(forward_ad.make_dual(x, torch.ones_like(x)))).tangent

    return run


DERIVATIVES = {
    "jvp": lambda model: lambda x: torch.func.jvp(model, (x,), (x,))[1],
    "jacfwd": torch.func.jacfwd,
    "hessian": torch.func.hessian,
    "forward over forward": lambda model: torch.func.jacfwd(torch.func.jacfwd(model)),
    "dual numbers": dual,
}


class Derivative(nn.Module):
    """A module whose forward takes a derivative of another."""

    def __init__(self, of):
        super().__init__()
        self.model = Cubed()
        self.of = of

    def forward(self, x):
        return self.of(self.model)(x)


def calls(record):
    """Calls by operator and cost."""
    return Counter((c.operation.operator, c.operation.cost) for c in record)


@pytest.mark.parametrize("name", DERIVATIVES)
@pytest.mark.parametrize("module", [True, False], ids=["module", "function"])
def test_a_derivative_in_forward_mode_is_counted(name, module):
    model, x = Cubed(), torch.randn(D)
    run = Derivative(DERIVATIVES[name]) if module else DERIVATIVES[name](model)
    fake, executed = profile(run, x), profile(run, x, execute=True)
    assert calls(fake) == calls(executed) == calls(profile(run, x))
    assert fake.macs >= 2 * D * D  # the layer, and its derivative in one direction at least
    assert fake.total("exact") == executed.total("exact")


@pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node")  # torch.func.linearize itself
def test_a_linearized_function_is_refused_without_values():
    def linearized(x):
        return torch.func.linearize(Cubed(), x)[1](x)

    with pytest.raises(InputError, match=r"traces its operators into a graph .* execute=True"):
        profile(linearized, torch.randn(D))
    assert profile(linearized, torch.randn(D), execute=True).macs >= 2 * D * D
