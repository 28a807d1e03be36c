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
