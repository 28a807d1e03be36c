"""Weights on the meta device count as weights where the inputs are, in operators that compare devices too."""

from __future__ import annotations

import warnings

import pytest
import torch
from fuzz.devices import differing
from torch import Tensor, nn

import flopsight
from flopsight.errors import ModelError
from flopsight.tracing.memo import MEMO

ROWS, CODES, WIDTH = 30, 70, 5
"""PyTorch's `cdist` multiplies matrices where one side has more than 25 rows."""


class Codebook(nn.Module):
    def __init__(self, device: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(CODES, WIDTH, device=device))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cdist(x, self.weight)


@pytest.fixture(autouse=True)
def _forgotten():
    """Calls remembered from a run with weights on the CPU would hide the fault."""
    MEMO.calls.clear()


@pytest.mark.parametrize("backward", [False, True])
def test_distances_to_weights(backward: bool) -> None:
    found = []
    for device in ("meta", "cpu"):
        MEMO.calls.clear()
        profile = flopsight.profile(Codebook(device), (ROWS, WIDTH), backward=backward)
        found.append([(call.operation.name, call.operation.cost, call.module, call.phase) for call in profile])
    assert found[0] == found[1]
    assert profile.macs >= ROWS * CODES * (WIDTH + 2)


def test_arguments_that_do_not_fit_are_refused_as_ever() -> None:
    with pytest.raises(ModelError, match="X1 and X2 must have the same number of columns"):
        flopsight.profile(Codebook("meta"), (ROWS, WIDTH + 1))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, Codebook])
def test_gradients_reach_the_weights_themselves(kind: type[nn.Module]) -> None:
    """An optimizer steps on those that have gradients: one multiplication and one addition an element."""
    model = kind("meta") if kind is Codebook else kind(WIDTH, 3, device="meta")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(x: Tensor) -> None:
        out = model(x)
        (out if isinstance(out, Tensor) else out[0]).sum().backward()
        optimizer.step()

    profile = flopsight.profile(step, (ROWS, 2, WIDTH))
    stepped = sum(call.operation.cost.exact for call in profile if call.phase == "optimizer" and call.operation.cost)
    assert stepped == 2 * sum(p.numel() for p in model.parameters())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    "name",
    ["cartesian_prod", "cdist", "gradient", "inner", "linalg.matrix_rank", "linalg.multi_dot", "meshgrid", "quantile",
     "nn.functional.scaled_dot_product_attention", "stft",
     "take_along_dim"],
)  # fmt: skip
def test_operators_that_compare_devices(name: str) -> None:
    from torch.testing._internal.common_methods_invocations import op_db

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, of `meshgrid`
        assert not [said for op in op_db if op.name == name for said in differing(op)]
