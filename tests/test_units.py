from __future__ import annotations

import pytest

from flopsight import units


@pytest.mark.parametrize(("old", "new", "change", "percentage"), [
    (4000, 5000, "+1.000 k (+25.0%)", "+25.0%"), (5000, 4000, "-1.000 k (-20.0%)", "-20.0%"), (7, 7, "0", "0.0%"),
    (0, 0, "0", "0.0%"), (0, 1500, "+1.500 k", "-"), (3, 0, "-3 (-100.0%)", "-100.0%"),
    (10**6, 10**6 + 1, "+1 (+<0.1%)", "+<0.1%"), (10**6, 10**6 - 1, "-1 (-<0.1%)", "-<0.1%"),
    (1, 101, "+100 (+10,000.0%)", "+10,000.0%"),
])  # fmt: skip
def test_a_difference_has_a_sign_and_a_percentage(old: int, new: int, change: str, percentage: str) -> None:
    assert units.change(old, new) == change
    assert units.percentage(old, new) == percentage
