"""Numbers assigned to parts of stand-ins, which are told whole, against what PyTorch runs for them."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from told import compared, orders
from torch import nn

from flopsight import profile
from flopsight.tracing.memo import MEMO


class Assigned:
    """Assigns to a part of its input."""

    def __init__(self, index, value):
        self.index, self.value = index, value

    def __call__(self, x):
        x[self.index] = self.value
        return x


ITEMS = [
    0, 1, -1, -2, 3, slice(None), slice(0, 2), slice(1, None), slice(-2, None), slice(None, -1), slice(None, 99),
    slice(2, 1), slice(-99, 99), slice(None, None, 2), slice(1, None, 3), slice(0, 3, 1),
]  # fmt: skip
TOLD = [*ITEMS, *itertools.product(ITEMS, ITEMS), (), (0, 1), (slice(1), 0, slice(2, None)), (slice(None),) * 3]
NOT_TOLD = [
    None, ..., (..., 0), (0, None), True, False, (0, 1, 2), (0, 0, 0, 0), 9, -9, (slice(None, None, 0), 1),
    slice(None, None, -1), slice(0.5), [0, 1], ([0], [1]), "a", (0, True), torch.tensor([0]), torch.tensor(1),
    torch.tensor([True, False, True]), slice(torch.tensor(0), None), slice(True, None),
]  # fmt: skip


@pytest.mark.parametrize("made", list(orders(3, 4, 4)))
def test_what_is_told_of_an_assignment_is_what_pytorch_runs(made):
    few = random.Random(0).sample(TOLD, 60)
    assert sum(compared(Assigned(index, value), [made()]) for index in few for value in (1, -2.5)) > 60


@pytest.mark.parametrize("index", NOT_TOLD, ids=str)
def test_other_indices_are_pytorchs_to_read(index):
    assert not compared(Assigned(index, 1), [torch.empty(3, 4, 4)])


class Number(float):
    """A number of the user's."""


@pytest.mark.parametrize("value", [True, 1j, Number(2), None, "a", torch.tensor(2.0), torch.ones(2), torch.ones(9)])
def test_other_values_are_pytorchs_to_assign(value):
    assert not compared(Assigned(slice(0, 2), value), [torch.empty(2, 2)])


@pytest.mark.parametrize("given", [((2, 3), torch.float16), ((2, 3), torch.bfloat16), ((0, 3),), ((2,),)], ids=str)
def test_other_tensors(given):
    shape, *dtype = given
    assert compared(Assigned(slice(0, 1), 1), [torch.empty(shape, dtype=dtype[0] if dtype else None)])


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_constants_and_tensors_of_other_dtypes_are_pytorchs(dtype):
    class Masks(nn.Module):
        def forward(self, x):
            for mask in (x.new_zeros(4, dtype=dtype), torch.zeros(4, dtype=dtype)):
                mask[1:] = 1
            return x

    MEMO.version = None
    assert "aten::fill_.Tensor" in {op.operator for op in profile(Masks(), (2, 4)).operations}


class Window(nn.Module):
    """Numbers the regions of a mask, as windows that are shifted need it."""

    def forward(self, x):
        mask = x.new_zeros(8, 8)
        for number, (rows, columns) in enumerate(itertools.product([(0, -4), (-4, -2), (-2, None)], repeat=2)):
            mask[rows[0] : rows[1], columns[0] : columns[1]] = number
        return x + mask


def test_the_regions_of_a_mask_as_in_a_run_on_real_tensors():
    told, real = profile(Window(), (8, 8)), profile(Window(), (8, 8), execute=True)
    assert [call.operation.operator for call in told] == [call.operation.operator for call in real]
    assert told.total("exact") == real.total("exact")


def test_assignment_under_a_mode_of_the_users():
    seen = []

    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    class Under(nn.Module):
        def forward(self, x):
            with Mode():
                x[0] = 1
            return x

    profile(Under(), (2, 3))
    assert torch.Tensor.__setitem__ in seen
