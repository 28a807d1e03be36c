"""Tensors whose size changes during the run, and zeros that have no memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import flopsight


def both(model, x, **options):
    """The exact total of the fake run, after checking that the executed run has the same."""
    fake, real = (flopsight.profile(model, x, execute=execute, **options) for execute in (False, True))
    assert fake.total("exact") == real.total("exact")
    return fake.total("exact")


class Into(nn.Module):
    """A product written to a tensor of another size, and a sum over what that then holds."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        out = self.make(x)
        torch.matmul(x, x.t(), out=out)
        return out.sum()


@pytest.mark.parametrize("make", [lambda x: torch.empty(0), lambda x: x.new_empty(0), lambda x: x[:0].clone()])
def test_an_out_tensor_takes_the_size_of_the_result(make):
    m, k = 4, 6
    assert both(Into(make), torch.rand(m, k)) == m * m * (2 * k - 1) + m * m - 1


def test_the_users_own_tensor_is_not_resized():
    out = torch.empty(0)
    with pytest.raises(flopsight.errors.FlopsightError, match="would resize a tensor of yours"):
        flopsight.profile(lambda x: torch.add(x, x, out=out), torch.rand(3))
    assert out.shape == (0,)


@pytest.mark.parametrize("value", [lambda x: torch.zeros(2, 3), lambda x: x[:2, :3]])
def test_new_data_of_an_activation_is_what_counts(value):
    def model(x):
        y = x.clone()
        y.data = value(x)
        return y * 2

    assert both(model, torch.rand(5, 5)) == 2 * 3


def test_zeros_without_memory_in_the_backward_pass():
    class Sign(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x):
            y = self.linear(x)
            return (y * torch.sgn(y)).sum()

    both(Sign(), torch.rand(2, 4), backward=True)
