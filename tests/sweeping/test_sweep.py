"""Rows of many models: what is in them, what is done about models that go wrong, and going on where a sweep stopped."""

from __future__ import annotations

import json
import sys
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from sweeping import factories
from sweeping.factories import WIDTHS, linear
from sweeping.processes import measuring
from torch import nn

import flopsight
from flopsight import Row
from flopsight.errors import InputError
from flopsight.sources import Workload

BATCH = (5, 3)


def row(name: str, width: int) -> Row:
    return Row(name, "counted", "", 3 * width, 5 * 3 * width, 2 * 5 * 3 * width, 5 * width)


def layers(**options) -> dict[str, factories.Factory]:
    return {f"width {width}": linear(width, **options) for width in WIDTHS}


EXPECTED = [row(f"width {width}", width) for width in WIDTHS]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_rows_come_in_the_order_of_the_models_whatever_is_done_first(tmp_path: Path) -> None:
    came: list[Row] = []
    first_last = {"last": linear(1, after_s=0.5, after=tmp_path / "made"), **layers(noting=tmp_path / "made")}
    rows = flopsight.sweep(first_last, BATCH, workers=2, on_row=came.append)
    assert rows == [row("last", 1), *EXPECTED]
    assert sorted(came, key=str) == sorted(rows, key=str)
    assert came[0].name != "last"
    assert rows[0].build_s >= 0.5
    assert not measuring(), "processes were left behind"


def test_a_search_space_of_partials() -> None:
    assert flopsight.sweep({"p": partial(nn.Linear, 3, 4, bias=False)}, BATCH) == [row("p", 4)]


def test_activations_are_what_contractions_return() -> None:
    def network() -> nn.Module:
        block = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
        return nn.Sequential(block, nn.Linear(8 * 6 * 6, 10))

    (found,) = flopsight.sweep({"network": network}, (2, 3, 6, 6))
    assert found.activations == 2 * 8 * 6 * 6 + 2 * 10


def test_a_factory_may_say_what_its_model_runs_on() -> None:
    def workload() -> Workload:
        return Workload(nn.Linear(3, 4, bias=False), (BATCH,), {}, "w")

    assert flopsight.sweep({"w": workload}) == [row("w", 4)]


def test_what_goes_wrong_is_in_the_row_and_stops_no_other(tmp_path: Path) -> None:
    models = {
        "hangs": factories.hangs(),
        "dies": factories.dies(),
        "dies once": factories.dies(tmp_path / "died"),
        "raises": factories.raises(),
        "fine": linear(2),
    }
    hangs, dies, once, raises, fine = flopsight.sweep(models, BATCH, workers=2, time_limit_s=4)
    assert hangs == Row("hangs", "timed out", "not done after 4 s")
    assert dies == Row("dies", "worker died", "the process that measured it was ended by SIGKILL")
    assert once == row("dies once", 1)
    assert (raises.status, raises.macs) == ("failed", None)
    assert raises.reason.endswith("ValueError: no such width")
    assert fine == row("fine", 2)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_a_model_has_no_more_memory_than_it_may_and_the_next_has_as_much() -> None:
    models = {"large": factories.fills_memory(2**32), "fine": linear(2)}
    large, fine = flopsight.sweep(models, BATCH, workers=1, memory_limit_bytes=3 * 2**30)
    assert large.status == "out of memory"
    assert fine == row("fine", 2)


def test_unknown_operators_are_named() -> None:
    import torch

    def network():
        library = torch.library.Library("sweeping", "DEF")
        library.define("mystery(Tensor x) -> Tensor")
        library.impl("mystery", lambda x: torch.empty_like(x), "Meta")
        return lambda x: (library, torch.ops.sweeping.mystery(x))[1]

    (found,) = flopsight.sweep({"network": network}, BATCH)
    assert (found.status, found.reason) == ("unknown operators", "sweeping::mystery")


class Interrupted(Exception):
    pass


def interrupted(out: Path, noting: Path, after: int) -> None:
    """A sweep that ends after some rows."""
    came = []

    def stop(row: Row) -> None:
        came.append(row)
        if len(came) == after:
            raise Interrupted

    with pytest.raises(Interrupted):
        flopsight.sweep(layers(noting=noting), BATCH, workers=1, out=out, on_row=stop)


@pytest.mark.parametrize("damage", [b"", b'{"name": "width 4", "sta'], ids=["whole", "half-written line"])
def test_a_sweep_goes_on_where_it_stopped(tmp_path: Path, damage: bytes) -> None:
    out, made = tmp_path / "table.jsonl", tmp_path / "made"
    interrupted(out, made, after=3)
    assert not out.exists()
    before = lines(made)
    with (tmp_path / "table.jsonl.journal").open("ab") as file:
        file.write(damage)
    came: list[Row] = []
    assert flopsight.sweep(layers(noting=made), BATCH, workers=1, out=out, on_row=came.append) == EXPECTED
    assert [row.name for row in came] == [f"width {width}" for width in WIDTHS]
    again = lines(made)[len(before) :]
    assert not {"1", "2", "3"} & set(again), "a row that was there was counted again"
    assert [Row(**json.loads(line)) for line in lines(out)] == EXPECTED
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "table.jsonl"]


def test_rows_made_otherwise_are_not_mixed(tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    interrupted(out, tmp_path / "made", after=3)
    with pytest.raises(InputError, match=r"begun with time limit 300.0, where it is 7 now, and one table does not mix"):
        flopsight.sweep(layers(), BATCH, out=out, time_limit_s=7)
    with pytest.raises(InputError, match=r"begun with inputs \(5, 3\), where it is \(6, 3\) now"):
        flopsight.sweep(layers(), (6, 3), out=out)
    journal = tmp_path / "table.csv.journal"
    journal.write_text(journal.read_text().replace(flopsight.__version__, "0.0.9", 1))
    with pytest.raises(InputError, match=r"begun with flopsight 0.0.9"):
        flopsight.sweep(layers(), BATCH, out=out)


@pytest.mark.parametrize("text", ["no JSON\n", "[]\n", '{}\n{"nome": 1}\n', "{}\n3\n"])
def test_another_file_in_the_journals_place_is_left_alone(tmp_path: Path, text: str) -> None:
    journal = tmp_path / "table.csv.journal"
    journal.write_text(text)
    with pytest.raises(InputError, match="is no journal of a sweep"):
        flopsight.sweep(layers(), BATCH, out=tmp_path / "table.csv")
    assert journal.read_text() == text


@pytest.mark.parametrize("make", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor_gives_the_same_rows(make) -> None:
    options = {}
    if make is ProcessPoolExecutor:
        import multiprocessing

        options["mp_context"] = multiprocessing.get_context("spawn")
    with make(2, **options) as executor:
        assert flopsight.sweep(layers(), BATCH, executor=executor) == EXPECTED


class Failing(Executor):
    """Fails as engines do."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times = error, times

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        self.times -= 1
        if self.times >= 0:
            future.set_exception(self.error)
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def test_a_worker_that_is_lost_once_loses_nothing_and_twice_a_row() -> None:
    lost = OSError("the machine is gone")
    assert flopsight.sweep({"a": linear(2)}, BATCH, executor=Failing(lost, 1)) == [row("a", 2)]
    assert flopsight.sweep({"a": linear(2)}, BATCH, executor=Failing(lost, 2)) == [
        Row("a", "worker died", "OSError: the machine is gone")
    ]


def test_workers_without_flopsight_are_told_of() -> None:
    with pytest.raises(InputError, match=r"cannot measure: No module named 'flopsight'. Install flopsight there"):
        flopsight.sweep(layers(), BATCH, executor=Failing(ModuleNotFoundError("No module named 'flopsight'"), 99))


def test_workers_with_other_versions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from flopsight.sweeping import host

    monkeypatch.setattr(host, "versions", lambda libraries: {**dict.fromkeys(libraries, "1.0")})
    with ThreadPoolExecutor(1) as executor, pytest.raises(InputError, match=r"A worker has flopsight 1.0, where"):
        flopsight.sweep(layers(), BATCH, executor=executor)


def test_an_executor_that_takes_no_more_is_told_of() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(InputError, match="takes no more models"):
        flopsight.sweep(layers(), BATCH, executor=executor)


@pytest.mark.parametrize(
    ("models", "sentence"),
    [
        ([], "There is no model to sweep over"),
        (["timm:a", "timm:b", "timm:a"], "'timm:a' is there twice"),
        ([nn.Linear], "is no model: give addresses"),
        ({"a": 3}, "'a' is no model"),
        ({"a": partial(print, (i for i in ()))}, "cannot be sent to another process"),
    ],
)
def test_what_cannot_be_used_is_told(models, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        flopsight.sweep(models)


def test_a_table_has_a_form_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"end its name in one of .csv, .json, .jsonl, .md"):
        flopsight.sweep(layers(), out=tmp_path / "table.xlsx")
    with pytest.raises(InputError, match="there is no folder"):
        flopsight.sweep(layers(), out=tmp_path / "nowhere" / "table.csv")
