"""What a formula asks for, read from its code, against what `inspect.signature` tells."""

from __future__ import annotations

import functools
import inspect

import pytest

from flopsight import Cost
from flopsight.formulas.registry import _asked, load_formulas

EMPTY = inspect.Parameter.empty


def by_signature(rule):
    parameters = dict(inspect.signature(rule).parameters)
    out = parameters.pop("out", None) is not None
    return tuple(parameters), {name for name, each in parameters.items() if each.default is EMPTY}, out


def with_defaults(x, y=1, *, out, z, w=2):
    return Cost()


def without_out(x, y):
    local = x
    return Cost(add=local + y)


def out_first(out, x=None):
    return Cost()


def nothing():
    return Cost()


def of_any(*tensors, out):
    return Cost()


def of_any_name(x, **others):
    return Cost()


@functools.wraps(with_defaults)
def decorated(*args, **kwargs):
    return Cost()


class Rule:
    def __call__(self, x, out):
        return Cost()

    def method(self, x, out=None):
        return Cost()


ODD = [
    with_defaults, without_out, out_first, nothing, of_any, of_any_name, decorated, Rule().method,
    functools.partial(with_defaults, 1), lambda self, out: Cost(),
]  # fmt: skip


@pytest.mark.parametrize("rule", ODD, ids=lambda rule: getattr(rule, "__name__", "partial"))
def test_what_odd_rules_ask_for(rule):
    assert _asked(rule) == by_signature(rule)


def test_what_all_rules_ask_for():
    rules = {formula.rule for formula in load_formulas()}
    assert [rule for rule in rules if _asked(rule) != by_signature(rule)] == []
