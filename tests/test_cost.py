"""A cost as a value: it adds, scales, is read by name, copied and pickled; it is made by name alone."""

from __future__ import annotations

import copy
import operator
import pickle

import pytest

from flopsight import Cost

dot = Cost(macs=12, results=3, biases=3)
scaled = Cost(multiply=5, special=1)


def test_costs_add_field_by_field() -> None:
    assert dot + scaled == Cost(macs=12, results=3, biases=3, multiply=5, special=1)
    assert dot + Cost() == dot == Cost() + dot
    assert sum([dot, dot, scaled], Cost()).to_dict() == {
        "macs": 24, "results": 6, "biases": 6, "multiply": 5, "special": 1,
    }  # fmt: skip


def test_costs_scale_by_a_number() -> None:
    assert 3 * dot == dot * 3 == dot + dot + dot
    assert 0 * dot == Cost()


@pytest.mark.parametrize("other", [1, (1, 2), [dot], None, (0,) * len(Cost._fields)])
def test_a_cost_adds_to_costs_alone(other: object) -> None:
    with pytest.raises(TypeError, match="adds to another Cost"):
        dot + other


@pytest.mark.parametrize("compared", [operator.lt, operator.le, operator.gt, operator.ge])
def test_costs_have_no_order(compared) -> None:
    with pytest.raises(TypeError, match="not supported between"):
        compared(dot, scaled)


def test_counts_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        Cost(12, 3)  # type: ignore[misc]
    with pytest.raises(TypeError, match="flops"):
        Cost(flops=24)  # type: ignore[call-arg]


def test_costs_stay_as_they_are() -> None:
    with pytest.raises(AttributeError):
        dot.macs = 0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        dot.other = 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda cost: pickle.loads(pickle.dumps(cost))])
def test_copies_are_equal_costs(copied) -> None:
    again = copied(dot)
    assert type(again) is Cost
    assert again == dot
    assert hash(again) == hash(dot)
    assert again.exact == 2 * 12 - 3 + 3


def test_a_cost_is_read_by_name() -> None:
    assert str(scaled).startswith("Cost(macs=0, ")
    assert "multiply=5" in repr(scaled)
    assert scaled.by_kind() == {"multiply": 5, "add": 0, "divide": 0, "compare": 0, "special": 1}
