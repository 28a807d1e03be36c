"""Functions that keep their results: a run finds them as they were, and leaves them so."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
from torch import nn

from flopsight import profile


@lru_cache
def table(size):
    return torch.arange(size).float().sin()


@lru_cache
def name(size):
    return f"table of {size}"


def operators(found):
    return [call.operation.operator for call in found]


class Model(nn.Module):
    """Adds a table to its input."""

    def forward(self, x):
        name(x.shape[-1])
        return x + table(x.shape[-1])


@pytest.fixture(autouse=True)
def empty():
    yield
    table.cache_clear()
    name.cache_clear()


@pytest.mark.parametrize("execute", [False, True])
def test_the_second_run_counts_as_the_first(execute):
    first, second = (profile(Model(), (2, 5), execute=execute) for _ in range(2))
    assert operators(first) == operators(second)
    assert "aten::sin" in operators(first)


@pytest.mark.parametrize("execute", [False, True])
def test_what_is_there_before_stays(execute):
    kept = table(5)
    found = profile(Model(), (2, 5), execute=execute)
    assert table(5) is kept
    assert "aten::sin" not in operators(found)


def test_what_is_no_tensor_stays():
    profile(Model(), (2, 5))
    assert name.cache_info().currsize == 1
    assert table.cache_info().currsize == 0
