"""The benchmark's tables say what was measured."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return import_module("bench")


def result(*arguments: str, **figures: Any) -> dict[str, Any]:
    return {"arguments": list(arguments), **figures}


MACHINE = {
    "date": "2026-01-31",
    "processor": "P",
    "cores": 2,
    "system": "S",
    "python": "3.11",
    "versions": {"torch": "2.13.0"},
}


def test_a_tool_is_timed_on_the_kinds_of_model_it_reads(bench: ModuleType) -> None:
    planned = bench.plan(["warm"], ["resnet50"])
    assert ("warm", "thop", "resnet50", "meta") in planned
    assert ("warm", "fvcore", "resnet50", "meta") not in planned
    assert all(kind == "warm" for kind, *_ in planned)


def test_medians_and_ratios_are_taken_over_the_rounds(bench: ModuleType) -> None:
    slow = [result("warm", "thop", "m", "cpu", first_s=seconds, repeat_s=1.0, total=7) for seconds in (0.1, 0.3, 0.9)]
    fast = [
        result("warm", "flopsight", "m", "cpu", first_s=seconds, repeat_s=0.25, total=6) for seconds in (0.1, 0.1, 0.2)
    ]
    text = bench.report({"machine": MACHINE, "rounds": 3, "results": [*slow, *fast]})
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert ["thop, cpu", "300.0 ms"] in cells
    assert ["**fastest other / flopsight, cpu**", "**3.00**"] in cells
    assert ["**fastest other / flopsight, cpu**", "**4.00**"] in cells
    assert ["flopsight, cpu", "m", "6"] in cells


def test_what_could_not_be_measured_is_listed(bench: ModuleType) -> None:
    text = bench.report(
        {"machine": MACHINE, "rounds": 1, "results": [result("cold", "thop", "m", "cpu", error="No: x")]}
    )
    assert "- cold thop m cpu: No: x" in text
