from __future__ import annotations

import handmade
import pytest
from handmade import K, M, N
from matplotlib.axes import Axes

from flopsight import Device, units
from flopsight.views.roofline import render

DEVICE = Device(
    name="d",
    title="A device",
    kind="gpu",
    rates={"float32": 1e12},
    memory_bytes=1,
    memory_bytes_per_s=1e9,
    power_limit_w=100,
)
LINEAR_US = (M * K + K * N + N + M * N) * 4 / 1e9 * 1e6
RELU_US = 2 * M * N * 4 / 1e9 * 1e6


def cells(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_row_for_each_module() -> None:
    rows = cells(str(handmade.classifier().roofline(DEVICE)))
    assert ["Net", "on", "A", "device,", "operator", "by", "operator"] in rows
    share = 100 * LINEAR_US / (LINEAR_US + RELU_US)
    linear = [f"{2 * M * K * N / 1000:.3f}", "k", f"{(M * K + K * N + N + M * N) * 4}", "B"]
    assert ["fc", *linear, "1.1", "memory", f"{LINEAR_US * 1000:.0f}", "ns", f"{share:.1f}%"] == rows[4][:-2]
    assert rows[5][0] == "act"


def test_equal_modules_are_folded_and_own_code_has_a_row() -> None:
    text = str(handmade.stack(layers=3).roofline(DEVICE))
    assert "layers.0-2 (3 x)" in text
    assert "(own code)" in text
    three = next(row for row in cells(text) if row[:1] == ["layers.0-2"])
    assert f"{3 * 2 * 2 * M * K * N / 1000:.3f}" in three


def test_as_deep_as_asked_or_by_operator() -> None:
    found = handmade.classifier().roofline(DEVICE)
    assert not any(row[:1] == ["fc"] for row in cells(render(found, depth=0)))
    by_operator = [row[0] for row in cells(render(found, by="operator")) if row and row[0].startswith("aten")]
    assert by_operator == ["aten::addmm", "aten::relu"]


def test_the_energy_is_named_as_what_it_is() -> None:
    found = handmade.classifier().roofline(DEVICE)
    joules = (LINEAR_US + RELU_US) / 1e6 * 100
    assert f"Joules at best: {joules:.3g} J, the least time at the power limit of 100 W." in str(found)


def test_a_dot_for_each_family_under_the_roofs() -> None:
    axes = handmade.classifier().roofline(DEVICE).plot()
    assert isinstance(axes, Axes)
    assert {text.get_text() for text in axes.texts} == {"contraction", "activation"}
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["float32", "other operations"]
    roof = axes.lines[0]
    assert max(roof.get_ydata()) == 1e12
    assert roof.get_xdata()[1] == 1e12 / 1e9  # where the slope of memory meets it
    (x, y) = axes.collections[0].get_offsets()[0]
    assert y <= x * 1e9 * 1.0001


def test_a_run_that_does_nothing_has_a_drawing_too() -> None:
    assert not handmade.empty().roofline(DEVICE).plot().texts


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0"), (2.5e-10, "0.25 ns"), (4.15e-3, "4.15 ms"), (0.25, "250 ms"), (59, "59 s"), (86400, "86,400 s")],
)
def test_times_have_the_unit_that_fits(seconds: float, text: str) -> None:
    assert units.time(seconds) == text


def test_rates_and_quotients_as_text() -> None:
    assert units.rate(3.35e12, "B") == "3.35 TB/s"
    assert units.rate(5) == "5 /s"
    assert units.ratio(float("inf")) == "-"
    assert units.ratio(1234.56) == "1,234.6"
