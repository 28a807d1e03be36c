"""Writes to tensors whose elements share memory fail where the real kernels refuse them, and only there."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import flopsight
from flopsight.errors import ModelError

WRITES = {
    "mul": lambda t: t.mul_(2),
    "add": lambda t: t.add_(torch.ones(4, 8)),
    "exp": lambda t: t.exp_(),
    "sub of a scalar": lambda t: t.sub_(1.0),
    "clamp": lambda t: t.clamp_(min=0.5),
    "copy": lambda t: t.copy_(torch.ones(4, 8)),
    "sum": lambda t: t.cumsum_(0),
    "random": lambda t: t.uniform_(),
    "comparison": lambda t: t.gt_(0.5),
    "one row": lambda t: t[0].mul_(2),
    "one column": lambda t: t[:, 0].mul_(2),
    "fill": lambda t: t.fill_(1.0),
    "fill the diagonal": lambda t: t.fill_diagonal_(1.0),
    "fill where": lambda t: t.masked_fill_(torch.ones(4, 8, dtype=torch.bool), 1.0),
    "fill rows": lambda t: t.index_fill_(0, torch.tensor([1]), 1.0),
    "rows": lambda t: t.index_put_((torch.tensor([0]),), torch.ones(8)),
    "triangle": lambda t: t.tril_(),
    "zero": lambda t: t.zero_(),
}


class Written(nn.Module):
    """Writes to one row of a layer's results, repeated without a copy."""

    def __init__(self, write):
        super().__init__()
        self.linear, self.write = nn.Linear(8, 8), write

    def forward(self, x):
        repeated = self.linear(x)[:1].clone().expand(4, 8)
        self.write(repeated)
        return repeated.exp()


def outcome(write, **how):
    """The count, or the model's own error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, that a write to repeated elements is deprecated
        try:
            return flopsight.profile(Written(write), torch.rand(4, 8), **how).total("exact")
        except ModelError as error:
            return str(error.__cause__)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_to_repeated_elements_ends_as_in_the_real_run(write, backward):
    assert outcome(write, backward=backward) == outcome(write, backward=backward, execute=True)
