"""What a model computes from constants alone is computed, so that its control flow can use it."""

from __future__ import annotations

import torch
from torch import nn
from torch.distributions import Normal

from flopsight import profile


class Sparse(nn.Linear):
    """A layer that checks the arguments of a distribution, as Gemma 3n does."""

    def forward(self, x):
        cutoff = Normal(0, 1).icdf(torch.tensor(0.9))
        y = super().forward(x)
        return y * 2 if cutoff > 1 else y @ y.t()


def test_a_distribution_of_constants_checks_its_arguments():
    assert profile(Sparse(4, 4), (2, 4)).macs == 2 * 4 * 4


class Fresh(nn.Module):
    """Makes tensors of numbers, writes to one, and lets one decide what runs."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        counter = torch.tensor([1.0, 2.0])
        counter += 1
        scale = torch.tensor(2.0, dtype=torch.float64).to(x)
        x = self.linear(x) * scale
        return x @ x.t() if counter.sum() > 4 else x


def test_tensors_of_numbers_are_as_in_a_run_on_real_tensors():
    model = Fresh()
    told, real = profile(model, (2, 4)), profile(model, (2, 4), execute=True)
    numbers = [[call for call in p if call.operation.name == "aten::lift_fresh"] for p in (told, real)]
    assert len(numbers[0]) == len(numbers[1]) == 2
    assert told.total("exact") == real.total("exact")
    assert told.macs == 2 * 4 * 4 + 2 * 2 * 4


class Views(nn.Module):
    """Multiplies by a part of a parameter after a number has been made."""

    def __init__(self):
        super().__init__()
        self.inner = nn.ParameterDict({"table": nn.Parameter(torch.ones(4, 4))})

    def forward(self, x):
        return x * torch.tensor(2.0) * self.inner["table"][0]


def test_a_part_of_a_parameter_belongs_to_its_module_whatever_else_is_made():
    assert [call.module for call in profile(Views(), (2, 4)) if call.operation.name == "aten::mul"] == ["", "inner"]
