"""What is counted is the way PyTorch goes without a profiler, where a dispatch mode would make it go another."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flopsight import Profiler, profile

N = 12
SINGULAR = "aten::_linalg_svd", "compute_uv"
EIGEN = "aten::_linalg_eigh", "compute_v"
VALUES = {
    "svdvals": (torch.linalg.svdvals, SINGULAR),
    "eigvalsh": (torch.linalg.eigvalsh, EIGEN),
    "matrix_norm 2": (lambda a: torch.linalg.matrix_norm(a, 2), SINGULAR),
    "matrix_norm nuc": (lambda a: torch.linalg.matrix_norm(a, "nuc"), SINGULAR),
    "matrix_rank": (torch.linalg.matrix_rank, SINGULAR),
    "cond": (torch.linalg.cond, SINGULAR),
}


class Applied(nn.Module):
    """A function as a module, of its input times a weight, or of its input alone."""

    def __init__(self, function, weighted=False):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.ones(())) if weighted else 1

    def forward(self, x):
        return self.function(x * self.weight)


def vectors(record, kind):
    """Whether each decomposition in a profile makes vectors."""
    operator, argument = kind
    found = [c.operation.arguments[argument] for c in record if c.operation.operator.startswith(operator)]
    assert found
    return set(found)


def ways(run, matrix):
    """Profiles of each kind."""
    with Profiler() as profiler:
        run(matrix)
    return [profile(run, matrix), profile(run, matrix), profile(run, matrix, execute=True), profiler.profile]


@pytest.fixture
def matrix():
    factor = torch.randn(N, N)
    return factor @ factor.t()


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("grad", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("module", [True, False], ids=["module", "function"])
def test_values_without_vectors_where_no_gradient_is_wanted(name, grad, module, matrix):
    function, kind = VALUES[name]
    run = Applied(function) if module else function
    with grad():
        records = ways(run, matrix)
    assert [vectors(record, kind) for record in records] == [{False}] * 4
    assert len({record.total("exact") for record in records}) == 1


@pytest.mark.parametrize("name", VALUES)
def test_values_with_vectors_where_a_gradient_is_wanted(name, matrix):
    function, kind = VALUES[name]
    model = Applied(function, weighted=True)
    for _ in range(2):
        assert [vectors(record, kind) for record in ways(model, matrix)] == [{True}] * 4
        with torch.no_grad():
            assert [vectors(record, kind) for record in ways(model, matrix)] == [{False}] * 4


def test_a_whole_decomposition_keeps_its_vectors(matrix):
    for full in (True, False):
        records = ways(lambda a, full=full: torch.linalg.svd(a, full_matrices=full).S, matrix)
        assert [vectors(record, SINGULAR) for record in records] == [{True}] * 4
    assert [vectors(record, EIGEN) for record in ways(lambda a: torch.linalg.eigh(a)[0], matrix)] == [{True}] * 4


def test_pytorch_has_its_own_kernels_afterwards(matrix):
    def registered():
        return torch._C._dispatch_dump("aten::linalg_svdvals"), torch._C._dispatch_dump("aten::linalg_eigvalsh")

    before, expected = registered(), torch.linalg.svdvals(matrix)
    with Profiler():
        assert torch.equal(torch.linalg.svdvals(matrix), expected)
        profile(torch.linalg.svdvals, matrix)
        assert registered() != before
    assert registered() == before
    leaf = matrix.clone().requires_grad_()
    torch.linalg.svdvals(leaf).sum().backward()
    with Profiler():
        again = matrix.clone().requires_grad_()
        torch.linalg.svdvals(again).sum().backward()
    assert torch.equal(again.grad, leaf.grad)
