"""No figure of the golden profiles moves unseen."""

from __future__ import annotations

import pytest
from golden.figures import HERE, MODELS, changes, figures, recorded, text, versions

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.mark.parametrize("name", MODELS)
def test_figures_are_the_recorded_ones(name: str) -> None:
    old = recorded(name)
    if versions(MODELS[name]) != old["libraries"]:
        pytest.skip(f"recorded with {old['libraries']}")
    moved = sorted(changes(old, figures(name)))
    assert not moved, "\n".join([f"{name}, moved; `make golden` writes the new figures:", *moved])


def test_every_file_is_a_model() -> None:
    assert {path.stem for path in HERE.glob("*.json")} == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_the_phases_and_families_add_up(name: str) -> None:
    old = recorded(name)
    for phase in ("forward", "backward"):
        for figure, whole in old["total"][phase].items():
            assert sum(family.get(figure, 0) for family in old[phase].values()) == whole


def test_changes_are_told_one_a_line() -> None:
    old = {"total": {"macs": 100, "flops": 200}, "unknown": {}, "libraries": {"torch": "2.12.0"}}
    new = {"total": {"macs": 110, "flops": 200}, "unknown": {"aten::new": 1}, "libraries": {"torch": "2.13.0"}}
    assert sorted(changes(old, new)) == [
        "libraries torch: 2.12.0 -> 2.13.0", "total macs: 100 -> 110 (+10.00%)", "unknown aten::new: 0 -> 1",
    ]  # fmt: skip
    assert list(changes(old, old)) == []


def test_the_innermost_figures_share_a_line() -> None:
    assert text({"a": {"b": {"c": 1, "d": 2}}, "e": {}}) == (
        '{\n  "a": {\n    "b": {"c": 1, "d": 2}\n  },\n  "e": {}\n}'
    )
