from __future__ import annotations

import handmade
import pytest
from handmade import K, M, N

from flopsight import conventions
from flopsight.analysis.explain import explain
from flopsight.cost import Cost
from flopsight.errors import ConventionError


def test_each_convention_is_a_column_and_each_part_a_row() -> None:
    explained = handmade.classifier().explain("macs", "ptflops", "exact")
    assert explained.names == ("macs", "ptflops", "exact")
    assert explained.rows == {
        "contractions": (M * K * N, M * K * N, M * N * (2 * K - 1)),
        "biases": (0, M * N, M * N),
        "activation": (0, 2 * M * N, M * N),
    }
    assert explained.operators == {
        "contractions": ("aten::addmm",),
        "biases": ("aten::addmm",),
        "activation": ("aten::relu",),
    }


def test_rows_add_up_to_totals() -> None:
    profile = handmade.stack(layers=3, calls=2)
    explained = profile.explain()
    known = [name for name in conventions.names() if conventions.get(name).unit != "bytes"]
    assert explained.totals == {name: profile.total(name) for name in known}


def test_differences_are_to_the_first_and_the_largest_comes_first() -> None:
    explained = handmade.classifier().explain("macs", "ptflops")
    assert list(explained.differences("ptflops").items()) == [("activation", 2 * M * N), ("biases", M * N)]
    assert explained.differences("macs") == {}
    with pytest.raises(ConventionError, match=r"no convention 'thop'; there are macs, ptflops\."):
        explained.differences("thop")


def test_one_phase() -> None:
    profile = handmade.profile(
        [handmade.module("", "Net")],
        [(handmade.linear(), ""), (handmade.linear(), "", 1), (handmade.relu(M, N), "", 1)],
    )
    assert profile.explain("macs").totals == {"macs": 2 * M * K * N}
    assert profile.explain("macs", phase="forward").totals == {"macs": M * K * N}
    with pytest.raises(ValueError, match="'backwards' is none of forward"):
        profile.explain("macs", phase="backwards")


def test_what_masks_save_and_what_is_unknown_is_told() -> None:
    masked = handmade.linear()._replace(cost=Cost(macs=10, masked_macs=4))
    profile = handmade.profile([handmade.module("", "Net")], [(masked, ""), (masked, ""), (handmade.unknown(), "")])
    explained = explain(profile, "macs", "exact")
    assert explained.masked_macs == 2 * 4
    assert explained.unknown == ("mylib::scan",)


def test_a_model_that_does_nothing() -> None:
    explained = handmade.empty().explain("macs", "thop")
    assert explained.rows == {}
    assert explained.totals == {"macs": 0, "thop": 0}
