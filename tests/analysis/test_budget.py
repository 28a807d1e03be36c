from __future__ import annotations

from fractions import Fraction

import handmade
import pytest
from handmade import K, M, N, module, unknown

from flopsight.analysis import figures
from flopsight.analysis.budget import EXCEEDED, HOLDS, UNSURE, Baseline, Blamed, blamed, judged
from flopsight.errors import InputError

MACS = M * K * N


def test_figures_add_up_over_modules() -> None:
    profile = handmade.stack(3)
    for name in (*figures.conventions.names(), "params", "calls", "unknown"):
        assert sum(figures.by_module(profile, name).values()) == figures.figure(profile, name), name
    assert figures.figure(profile, "macs") == 6 * MACS
    assert figures.figure(profile, "params") == 3 * N * K
    assert figures.figure(profile, "calls") == 6
    assert figures.figure(handmade.profile([module("", "Net")], [(unknown(), "")] * 2), "unknown") == 2


def test_an_unknown_figure_gets_near_ones() -> None:
    with pytest.raises(InputError, match=r"no figure 'mac'.*Did you mean 'macs'"):
        figures.figure(handmade.stack(), "mac")
    with pytest.raises(InputError, match="was not followed"):
        figures.figure(handmade.stack(), "peak")


@pytest.mark.parametrize(("limit", "status"), [(6 * MACS, HOLDS), (6 * MACS - 1, EXCEEDED), (0, EXCEEDED)])
def test_a_limit_is_the_most_that_is_allowed(limit: int, status: str) -> None:
    verdict = judged(handmade.stack(3), "macs", limit)
    assert (verdict.found, verdict.limit, verdict.status, verdict.holds) == (6 * MACS, limit, status, status == HOLDS)


def test_the_largest_modules_are_blamed_equal_ones_as_one() -> None:
    assert judged(handmade.stack(3), "macs", 1).blamed == (
        Blamed("layers.0-2", "Block", 3, 3 * MACS), Blamed("layers.0-2.fc", "Linear", 3, 3 * MACS),
    )  # fmt: skip
    assert judged(handmade.stack(3), "macs", 6 * MACS).blamed == ()


def test_against_a_baseline_those_that_grew_are_blamed() -> None:
    before = Baseline.of(handmade.stack(2), ("macs", "params"))
    verdict = judged(handmade.stack(3), "macs", baseline=before)
    assert (verdict.status, verdict.baseline, verdict.limit) == (EXCEEDED, 4 * MACS, 4 * MACS)
    assert verdict.blamed == (Blamed("layers.2", "Block", 1, MACS, 0), Blamed("layers.2.fc", "Linear", 1, MACS, 0))
    assert judged(handmade.stack(1), "macs", baseline=before).holds


def test_where_nothing_grew_the_largest_are_blamed() -> None:
    before = Baseline.of(handmade.stack(3), ("macs",))
    assert judged(handmade.stack(3), "macs", 1, baseline=before).blamed == judged(handmade.stack(3), "macs", 1).blamed
    assert judged(handmade.stack(3), "exact", 1, baseline=before).blamed == blamed(handmade.stack(3), "exact")


@pytest.mark.parametrize(("tolerance", "status"), [(Fraction(1, 2), HOLDS), (Fraction(49, 100), EXCEEDED)])
def test_a_baseline_may_be_exceeded_by_a_part(tolerance: Fraction, status: str) -> None:
    before = Baseline.of(handmade.stack(2), ("macs",))
    assert judged(handmade.stack(3), "macs", baseline=before, tolerance=tolerance).status == status


def test_a_lower_bound_is_not_said_to_hold() -> None:
    opaque = handmade.profile([module("", "Net")], [(unknown(), "")])
    assert judged(opaque, "macs", 10).status == UNSURE
    assert judged(opaque, "macs", 10, unknown=1).status == HOLDS
    assert judged(opaque, "params", 10).status == HOLDS
    assert judged(opaque, "unknown", 0).status == EXCEEDED
    both = handmade.profile([module("", "Net")], [(unknown(), ""), (handmade.linear(), "")])
    assert judged(both, "macs", MACS - 1, unknown=0).status == EXCEEDED


def test_modules_of_a_part_are_named_below_it() -> None:
    assert judged(handmade.stack(3)["layers.1"], "macs", 1).blamed == (
        Blamed("", "Block", 1, MACS), Blamed("fc", "Linear", 1, MACS),
    )  # fmt: skip
