"""Sizes compute as integers do, and their formulas are what they compute."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from flopsight.closed_form.saving import _Reader
from flopsight.sizes import Guard, Poly, Size, poly_of
from flopsight.sizes.expression import expression

HINTS = {"a": 419, "b": 467, "c": 211}
Program = Callable[[dict[str, int]], int]
NUMBERS = st.integers(-9, 60)
STEPS = st.sampled_from([2, 3, 7, 16])


def named(sizes: dict[str, int]) -> dict[str, int]:
    return {name: Size(value, Poly.named(name)) for name, value in sizes.items()}


def grown(inner: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
    both = st.tuples(inner, inner)
    stepped = st.tuples(inner, STEPS)
    return st.one_of(
        both.map(lambda pair: lambda sizes: pair[0](sizes) + pair[1](sizes)),
        both.map(lambda pair: lambda sizes: pair[0](sizes) - pair[1](sizes)),
        both.map(lambda pair: lambda sizes: pair[0](sizes) * pair[1](sizes)),
        stepped.map(lambda pair: lambda sizes: pair[0](sizes) // pair[1]),
        stepped.map(lambda pair: lambda sizes: pair[0](sizes) % pair[1]),
        stepped.map(lambda pair: lambda sizes: -(-pair[0](sizes) // pair[1])),
    )


PROGRAMS = st.recursive(
    st.one_of(
        NUMBERS.map(lambda number: lambda sizes: number),
        st.sampled_from(list(HINTS)).map(lambda name: lambda sizes: sizes[name]),
    ),
    grown,
    max_leaves=8,
)
SIZES = st.fixed_dictionaries({name: st.integers(1, 2000) for name in HINTS})


@given(PROGRAMS, SIZES)
def test_a_formula_is_what_the_program_computes_at_any_sizes(program: Program, sizes: dict[str, int]) -> None:
    size = program(named(HINTS))
    assert int(size) == program(HINTS)
    assert poly_of(size).at(sizes) == program(sizes)


@given(PROGRAMS, SIZES)
def test_a_formula_is_read_as_it_is_written(program: Program, sizes: dict[str, int]) -> None:
    poly = poly_of(program(named(HINTS)))
    read = _Reader(HINTS).poly(str(poly))
    assert read.at(sizes) == poly.at(sizes)


@given(PROGRAMS, SIZES)
def test_sympy_has_the_same_value(program: Program, sizes: dict[str, int]) -> None:
    found = sympy.sympify(expression(program(named(HINTS))))
    names = {symbol: sizes[symbol.name] for symbol in found.free_symbols}
    assert found.subs(names) == program(sizes)


@given(PROGRAMS, st.lists(st.integers(1, 500), min_size=1, max_size=5))
def test_arrays_have_the_values_of_their_elements(program: Program, many: list[int]) -> None:
    poly = poly_of(program(named(HINTS)))
    found = np.broadcast_to(poly.at({"a": np.array(many, dtype=object), "b": 5, "c": 7}), len(many))
    assert list(found) == [program({"a": each, "b": 5, "c": 7}) for each in many]


def test_equal_sums_of_floors_are_one() -> None:
    a = named(HINTS)["a"]
    assert ((a - 1) // 2 + 1).poly == ((a + 1) // 2).poly == (-(-a // 2)).poly
    assert (((a + 1) // 2 + 1) // 2).poly == ((a + 3) // 4).poly
    assert (4 * a // 2).poly == (2 * a).poly


def test_division_by_a_sum_is_exact_where_it_is() -> None:
    sizes = named(HINTS)
    a, b = sizes["a"], sizes["b"]
    assert ((a * b * 12 + b * 12) // (a + 1)).poly == (12 * b).poly
    assert ((a * b + 5) // (a + 1)).poly.at({"a": 10, "b": 3}) == 35 // 11


def test_the_bits_of_a_size() -> None:
    a = named(HINTS)["a"]
    assert [(a - 1).bit_length().poly.at({"a": n}) for n in (1, 2, 3, 4, 5, 1024, 1025)] == [0, 1, 2, 2, 3, 10, 11]
    assert str(expression((a - 1).bit_length())) == "ceiling(log(a)/log(2))"


def test_a_size_never_prints_as_the_number_of_one_run() -> None:
    a = named(HINTS)["a"]
    assert f"{a}" == str(a) == repr(a) == f"{a:,}" == "a"
    assert pickle.loads(pickle.dumps(a)).poly.at({"a": 3}) == 3


def test_what_cancels_is_a_number() -> None:
    a = named(HINTS)["a"]
    assert type(a - a) is int
    assert type(a // a) is int


@pytest.mark.parametrize(("sign", "held", "true_at", "false_at"), [
    (">", True, 5, 4), (">", False, 4, 5), ("==", True, 4, 5), ("==", False, 5, 4), ("<=", False, 5, 4),
])  # fmt: skip
def test_a_guard_is_what_held(sign: str, held: bool, true_at: int, false_at: int) -> None:
    guard = Guard.of(Poly.named("a"), sign, Poly.number(4), held=held, place="")
    assert guard.holds({"a": true_at})
    assert not guard.holds({"a": false_at})


def test_what_holds_at_all_sizes_is_no_assumption() -> None:
    a, one = Poly.named("a"), Poly.number(1)
    assert Guard(a * a + a, "!=", Poly.number(0), "").is_certain
    assert Guard(-a, "<", one, "").is_certain
    assert not Guard(a, ">", one, "").is_certain
    assert not Guard(a // Poly.number(4), ">", Poly.number(0), "").is_certain
