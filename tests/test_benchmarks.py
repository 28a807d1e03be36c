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


def test_sweeps_and_the_largest_model_have_tables(bench: ModuleType) -> None:
    results = [
        result("search", "flopsight", "cpu", per_s=60.0, total=1),
        result("search", "thop", "cpu", per_s=20.0, total=1),
        result("search", "thop", "meta", per_s=30.0, total=1),
        result("zoo", models=121, counted=109, per_s=7.25),
        *[result("deepseek", build_s=seconds, count_s=0.5, total=1, peak_bytes=2**30) for seconds in (1.0, 2.0, 9.0)],
    ]
    text = bench.report({"machine": MACHINE, "rounds": 3, "results": results})
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert ["**flopsight, cpu / fastest other**", "**2.00**"] in cells
    assert ["flopsight", "2.00 s", "0.50 s", "2.50 s", "1024 MiB"] in cells
    assert "7.2 models per second: 109 of 121 counted" in text


def test_every_kind_is_planned_and_can_be_measured(bench: ModuleType) -> None:
    planned = {kind for kind, *_ in bench.plan(list(bench.KINDS), ["resnet50"])}
    assert planned == {*bench.KINDS, "command"}
    assert set(import_module("measure").MEASUREMENTS) == set(bench.KINDS)


def test_what_could_not_be_measured_is_listed(bench: ModuleType) -> None:
    text = bench.report(
        {"machine": MACHINE, "rounds": 1, "results": [result("cold", "thop", "m", "cpu", error="No: x")]}
    )
    assert "- cold thop m cpu: No: x" in text
