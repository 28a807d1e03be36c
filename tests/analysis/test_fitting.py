"""The largest batch that fits is that of a search through all, by few runs; advice follows from the rows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flopsight.analysis.fitting import Fit, Row, largest

MOST = 1000
LINES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 5000)), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(lines=LINES, memory=st.integers(1, 4 * 10**6), first=st.integers(1, MOST), bend=st.sampled_from([max, min]))
def test_the_largest_batch_is_that_of_a_search_through_all(lines, memory, first, bend):
    def peak(batch):
        return bend(base + batch * each for base, each in lines)

    brute = max((batch for batch in range(1, MOST + 1) if peak(batch) <= memory), default=0)
    assert largest(peak, memory, first, MOST) == (brute, brute == MOST)


def test_both_sides_of_the_end_are_run():
    ran = []

    def peak(batch):
        ran.append(batch)
        return 1000 + 7 * batch

    assert largest(peak, 80_000, first=5000) == ((80_000 - 1000) // 7, False)
    assert {11285, 11286} <= set(ran)
    assert len(ran) == 4  # 5,000, 10,000, then where the line through them ends, and the next


def test_steps_are_found_by_halving():
    ran = []

    def peak(batch):
        ran.append(batch)
        return 10 if batch < 700 else 10**9

    assert largest(peak, 100, most=2**20) == (699, False)
    assert len(ran) < 40


def test_a_flat_beginning_leads_not_far_astray():
    ran = []

    def peak(batch):
        ran.append(batch)
        return 1000 + batch + max(0, batch - 4) * 100

    assert largest(peak, 5000) == (43, False)
    assert ran[:3] == [1, 2, 2 * 16]  # where the line through the first two would lead to 4,000


def test_where_a_batch_cannot_be_run_more_may_fit():
    def peak(batch):
        return batch if batch < 77 else None

    assert largest(peak, 10**6) == (76, True)


def row(name, peak, changes=1):
    return Row(name, changes, 1, peak, {"saved": peak}, 1)


def made(*rows):
    return Fit("Net", "forward", 100, 1, rows)


def test_the_first_change_is_the_single_one_that_fits_with_the_lowest_peak():
    fit = made(row("", 300, 0), row("a", 90), row("b", 80), row("both", 20, 2))
    assert fit.first_change is fit["b"]
    assert not fit.fits


def test_where_no_single_change_fits_several_are_named():
    fit = made(row("", 300, 0), row("a", 150), row("both", 90, 2))
    assert fit.first_change is fit["both"]


def test_what_takes_more_helps_nobody():
    assert made(row("", 300, 0), row("a", 400), Row("b", 1, 1, error="it fails")).first_change is None


def test_an_unknown_row_is_told_with_those_there_are():
    with pytest.raises(KeyError, match="no row 'c'; there are '', 'a'"):
        made(row("", 300, 0), row("a", 400))["c"]
