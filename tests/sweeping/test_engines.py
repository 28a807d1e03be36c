"""The same table through real clusters of Dask and Ray on this machine, one of whose workers is killed on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from sweeping.factories import WIDTHS, linear
from sweeping.processes import measuring

import flopsight
from flopsight import Row
from flopsight.errors import InputError, MissingLibraryError
from flopsight.sweeping.executors import connected, names


@contextmanager
def dask() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@contextmanager
def ray() -> Iterator[str]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


ENGINES = {"dask": dask, "ray": ray}


@pytest.mark.filterwarnings("default")  # of the engines' own
@pytest.mark.parametrize("engine", ENGINES)
def test_a_cluster_gives_the_same_table_though_a_worker_is_killed(engine: str) -> None:
    killed: list[int] = []

    def kill(row: Row) -> None:
        if not killed:
            worker = measuring(anywhere_below=True)[0].parent()
            killed.append(worker.pid)
            worker.kill()

    models = {f"width {width}": linear(width, after_s=0.5) for width in WIDTHS}
    with ENGINES[engine]() as address, connected(f"{engine}:{address}") as executor:
        rows = flopsight.sweep(models, (5, 3), executor=executor, on_row=kill)
    assert killed
    assert not psutil.pid_exists(killed[0])
    assert rows == [Row(f"width {w}", "counted", "", 3 * w, 15 * w, 30 * w, 5 * w) for w in WIDTHS]


def test_there_is_a_test_of_every_engine() -> None:
    assert names() == sorted(ENGINES)


@pytest.mark.parametrize("text", ["dask", "dask:", "spark:local", ":"])
def test_an_executor_is_an_engine_and_an_address(text: str) -> None:
    with pytest.raises(InputError, match="names no executor; write dask:ADDRESS or ray:ADDRESS"):
        connected(text)


@pytest.mark.parametrize(("engine", "library"), [("dask", "distributed"), ("ray", "ray")])
def test_a_missing_library_is_named(engine: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("flopsight.sources._optional.importlib.import_module", fail)
    module = __import__(f"flopsight.sweeping.executors.{engine}", fromlist=["connected"])
    sentence = rf"needs the library {library}, which is not installed. .*pip install 'flopsight\[{engine}\]'"
    with pytest.raises(MissingLibraryError, match=sentence), module.connected("address"):
        pass
