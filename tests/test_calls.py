"""Kinds of operator calls: each is itself, whatever is in it, and stays as it is."""

from __future__ import annotations

import pytest

from flopsight.calls import Operation
from flopsight.cost import ZERO, TensorSpec

SPEC = TensorSpec((2, 3))
FIELDS = "aten::relu", "activation", {"self": SPEC}, {}, (SPEC,), ZERO, "float32"


def test_an_operation_is_equal_to_itself_alone():
    one, other = Operation(*FIELDS), Operation(*FIELDS)
    assert (one == one, one != one, one == other, one != other) == (True, False, False, True)
    assert len({one, other}) == 2
    assert {one: 1}.get(other) is None


def test_an_operation_is_not_changed():
    with pytest.raises(AttributeError):
        Operation(*FIELDS).family = "other"
    with pytest.raises(AttributeError):
        Operation(*FIELDS).more = 1
