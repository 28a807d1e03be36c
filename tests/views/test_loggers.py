"""Profiles in the logs of training runs: by what the logger can do, and with nothing imported for it."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import handmade
import pytest
from handmade import K, M, N

import flopsight
from flopsight.errors import InputError
from flopsight.views.loggers import scalars

TOTALS = {
    "macs": M * K * N, "flops": 2 * M * K * N, "exact": M * N * (2 * K - 1) + M * N + M * N, "unknown_calls": 0,
    "params": K * N + N, "trainable": K * N + N,
}  # fmt: skip


class Writer:
    """What is asked of a SummaryWriter."""

    def __init__(self) -> None:
        self.scalars: list[tuple[str, int, int | None]] = []
        self.texts: list[tuple[str, str, int | None]] = []

    def add_scalar(self, tag: str, value: int, step: int | None = None) -> None:
        self.scalars.append((tag, value, step))

    def add_text(self, tag: str, text: str, step: int | None = None) -> None:
        self.texts.append((tag, text, step))


class Run:
    """What is asked of a run of Weights & Biases."""

    summary: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.logged: list[tuple[dict[str, Any], int | None]] = []

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        self.logged.append((values, step))


def test_a_writer_gets_scalars_and_the_table_as_text() -> None:
    writer = Writer()
    handmade.classifier().log_to(writer, step=3, name="net")
    assert writer.scalars == [(f"net/{name}", value, 3) for name, value in TOTALS.items()]
    ((tag, text, step),) = writer.texts
    assert (tag, step) == ("net/table", 3)
    assert text == handmade.classifier().render("markdown")


def test_a_run_gets_scalars_and_a_table_of_its_own_library(monkeypatch: pytest.MonkeyPatch) -> None:
    library = types.ModuleType("some_logger")
    library.Table = lambda columns, data: (columns, data)
    monkeypatch.setitem(sys.modules, "some_logger", library)
    monkeypatch.setattr(Run, "__module__", "some_logger.sdk")
    run = Run()
    handmade.classifier().log_to(run)
    ((values, step),) = run.logged
    assert step is None
    columns, data = values.pop("cost/table")
    assert columns[:2] == ["path", "class"]
    assert [row[0] for row in data] == ["", "fc", "act"]
    assert values == {f"cost/{name}": value for name, value in TOTALS.items()}


def test_a_run_of_a_library_without_tables_gets_scalars() -> None:
    run = Run()
    handmade.classifier().log_to(run, step=0)
    assert run.logged == [({f"cost/{name}": value for name, value in TOTALS.items()}, 0)]


def test_unknown_calls_are_counted_and_the_peak_is_there_where_it_was_followed() -> None:
    profile = handmade.profile([handmade.module("", "Net")], [(handmade.unknown(), ""), (handmade.unknown(), "")])
    assert scalars(profile)["unknown_calls"] == 2
    assert "peak_memory_bytes" not in scalars(profile)
    torch = pytest.importorskip("torch")
    step = flopsight.profile(torch.nn.Linear(4, 4), (2, 4), memory=True)
    assert scalars(step)["peak_memory_bytes"] == step.memory.peak_bytes > 0


@pytest.mark.parametrize("other", [[], "runs", print, None])
def test_other_objects_get_a_sentence(other: object) -> None:
    with pytest.raises(InputError, match=f"no logging to '{type(other).__name__}'; give a SummaryWriter"):
        handmade.classifier().log_to(other)


def test_tensorboard_reads_what_was_logged(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    code = (
        "import sys, flopsight; from torch.utils.tensorboard import SummaryWriter\n"
        "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
        "with SummaryWriter(sys.argv[1]) as writer: flopsight.load(sys.argv[2]).log_to(writer, step=7)\n"
        "read = EventAccumulator(sys.argv[1]); read.Reload()\n"
        "print([(event.step, event.value) for event in read.Scalars('cost/macs')], read.Tags()['tensors'])"
    )
    handmade.classifier().save(tmp_path / "p.json")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "logs"), str(tmp_path / "p.json")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"[(7, {M * K * N:.1f})] ['cost/table/text_summary']\n"
