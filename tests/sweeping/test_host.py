"""The processes that measure end when they should, and only then."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sweeping import factories
from sweeping.factories import linear
from sweeping.processes import measuring

from flopsight.sweeping import host, rows
from flopsight.sweeping.task import Task, versions


def task(factory: factories.Factory) -> Task:
    cloudpickle = pytest.importorskip("cloudpickle")
    made, inputs = map(cloudpickle.dumps, (factory, (5, 3)))
    return Task(
        "a", made, inputs, time_limit_s=60, memory_limit_bytes=None, proposals=None, versions=versions(["flopsight"])
    )


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    yield
    host.stop()
    assert not measuring()


def test_one_process_measures_model_after_model_with_one_thread() -> None:
    assert host.run(task(linear(2))).macs == 5 * 3 * 2
    (first,) = measuring()
    assert first.environ()["OMP_NUM_THREADS"] == "1"
    assert host.run(task(linear(4))).macs == 5 * 3 * 4
    assert measuring() == [first]


def test_a_process_that_ended_while_it_waited_is_replaced() -> None:
    assert host.run(task(linear(2))).status == rows.COUNTED
    (first,) = measuring()
    first.kill()
    first.wait()
    assert host.run(task(linear(2))).status == rows.COUNTED


def test_a_process_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('a library is missing')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    row = host.run(task(linear(2)))
    assert row.status == rows.DIED
    assert row.reason.endswith("ended with exit code 1 before it could begin; the last it printed was: "
                               "ImportError: a library is missing")  # fmt: skip


def test_a_process_with_nothing_to_do_ends() -> None:
    code = "from flopsight.sweeping import child; child.IDLE_LIMIT_S = 0.2; child.main()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.wait(timeout=60) == 0


SWEEP = """
import sys
from pathlib import Path
sys.path[:] = {path}
import flopsight
from sweeping.factories import hangs
flopsight.sweep({{"a": hangs(Path({marker!r}))}}, (5, 3), time_limit_s=3)
"""


def test_a_model_that_hangs_is_ended_though_the_sweep_is_gone(tmp_path: Path) -> None:
    """Its process holds Python's lock, so it does not see that its input ended."""
    marker = tmp_path / "hangs"
    with subprocess.Popen([sys.executable, "-c", SWEEP.format(path=sys.path, marker=str(marker))]) as sweep:
        while not marker.exists():
            assert sweep.poll() is None
            time.sleep(0.05)
        children = psutil.Process(sweep.pid).children()
        sweep.kill()
    assert len(children) == 1
    assert not psutil.wait_procs(children, timeout=60)[1]
