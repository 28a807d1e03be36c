"""Work that a forward does later, in other threads, or past PyTorch's dispatcher."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import flopsight
from flopsight.errors import InputError, NeedsValuesError, UnknownOperatorError

WIDTH, ROWS = 8, 4
LAYER = ROWS * WIDTH * WIDTH


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(2))


class Stream(Base):
    def forward(self, x: Tensor) -> Iterator[Tensor]:
        for layer in self.layers:
            x = layer(x)
            yield x


class Awaited(Base):
    async def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            await asyncio.sleep(0)
            x = layer(x)
        return x


class AsyncStream(Base):
    async def forward(self, x: Tensor) -> AsyncIterator[Tensor]:
        for layer in self.layers:
            x = layer(x)
            yield x


class Gathered(Base):
    async def forward(self, x: Tensor) -> Any:
        async def one(layer: nn.Module) -> Any:
            await asyncio.sleep(0.001)
            return layer(x)

        return await asyncio.gather(*map(one, self.layers))


@pytest.mark.parametrize("kind", [Stream, Awaited, AsyncStream, Gathered])
@pytest.mark.parametrize("execute", [False, True])
def test_a_forward_that_returns_before_it_has_run(kind: type[Base], execute: bool) -> None:
    profile = flopsight.profile(kind(), (ROWS, WIDTH), execute=execute, strict=True)
    assert profile.macs == 2 * LAYER
    assert flopsight.profile(kind(), (ROWS, WIDTH), execute=execute, backward=True).total("macs", phase="backward") >= (
        2 * LAYER
    ), "what is yielded, or returned in the end, is what backward begins at"


def test_a_coroutine_where_an_event_loop_is_running() -> None:
    async def inside(model: nn.Module) -> flopsight.Profile:
        return flopsight.profile(model, (ROWS, WIDTH))

    assert asyncio.run(inside(Awaited())).macs == 2 * LAYER

    class Waiting(Base):
        async def forward(self, x: Tensor) -> Any:
            return await _Never()

    with pytest.raises(InputError, match=r"waits for str.*asyncio\.to_thread"):
        asyncio.run(inside(Waiting()))

    async def aside(model: nn.Module) -> flopsight.Profile:
        return await asyncio.to_thread(flopsight.profile, model, (ROWS, WIDTH))

    assert asyncio.run(aside(Gathered())).macs == 2 * LAYER


class _Never:
    def __await__(self) -> Iterator[str]:
        yield "something"


Branches = Callable[[Base, Tensor], list[Tensor]]


def pooled(model: Base, x: Tensor) -> list[Tensor]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda layer: layer(x), model.layers))


def threaded(model: Base, x: Tensor) -> list[Tensor]:
    outputs: list[Any] = [None, None]

    def work(at: int) -> None:
        outputs[at] = model.layers[at](x)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outputs


def old_pool(model: Base, x: Tensor) -> list[Tensor]:
    with ThreadPool(2) as pool:
        return pool.map(lambda layer: layer(x), model.layers)


def nested(model: Base, x: Tensor) -> list[Tensor]:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(threaded, model, x).result()


class Branched(Base):
    def __init__(self, branches: Branches) -> None:
        super().__init__()
        self.branches = branches

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.branches(self, x)
        return first + second


WAYS = [pooled, threaded, old_pool, nested]


@pytest.mark.parametrize("branches", WAYS)
@pytest.mark.parametrize("execute", [False, True])
def test_work_in_threads_is_counted_where_it_belongs(branches: Branches, execute: bool) -> None:
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    model = Branched(branches)
    profile = flopsight.profile(model, (ROWS, WIDTH), execute=execute, strict=True)
    profile.self_check()
    assert profile.macs == 2 * LAYER
    assert [profile[f"layers.{at}"].macs for at in range(2)] == [LAYER, LAYER]
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == (start, submit), "as they were"


@pytest.mark.parametrize("branches", WAYS)
def test_work_in_threads_under_a_profiler_and_backward(branches: Branches) -> None:
    model, x = Branched(branches), torch.randn(ROWS, WIDTH)
    expected = model(x)
    with flopsight.Profiler() as profiler:
        assert torch.equal(model(x), expected)
    assert profiler.profile.macs == 2 * LAYER
    both = flopsight.profile(model, x, backward=True, execute=True)
    fake = flopsight.profile(model, x, backward=True)
    assert both.total("macs", phase="backward") == fake.total("macs", phase="backward") == 2 * LAYER


def test_a_pool_that_was_there_before_and_stays() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        layer = nn.Linear(WIDTH, WIDTH)
        profile = flopsight.profile(lambda x: pool.submit(layer, x).result(), (ROWS, WIDTH), strict=True)
        assert profile.macs == LAYER
        x = torch.randn(ROWS, WIDTH)
        assert torch.equal(pool.submit(layer, x).result(), layer(x)), "nothing of the run is left in its thread"
        assert pool.submit(torch.is_grad_enabled).result()


def test_a_thread_that_turns_gradients_on() -> None:
    layer = nn.Linear(WIDTH, WIDTH)

    def forward(x: Tensor) -> Any:
        found: list[Tensor] = []

        def work() -> None:
            with torch.enable_grad():
                found.append(torch.autograd.grad(layer(x).sum(), layer.weight)[0])

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return found[0]

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Any:
            return forward(x)

    assert flopsight.profile(Model(), (ROWS, WIDTH)).macs == 2 * LAYER


def test_what_flopsight_says_in_a_thread_reaches_the_caller() -> None:
    def forward(x: Tensor) -> None:
        thread = threading.Thread(target=lambda: x.sum().item())
        thread.start()
        thread.join()

    with pytest.raises(NeedsValuesError):
        flopsight.profile(forward, (ROWS, WIDTH))


def test_a_thread_that_goes_on_after_the_run_is_unknown() -> None:
    release = threading.Event()
    layer = nn.Linear(WIDTH, WIDTH)
    threads: list[threading.Thread] = []

    def forward(x: Tensor) -> Tensor:
        threads.append(threading.Thread(target=release.wait))
        threads[-1].start()
        return layer(x)

    try:
        profile = flopsight.profile(forward, (ROWS, WIDTH))
        assert (profile.macs, list(profile.unknown)) == (LAYER, ["threading::unfinished"])
        with pytest.raises(UnknownOperatorError, match="threading::unfinished"):
            flopsight.profile(forward, (ROWS, WIDTH), strict=True)
    finally:
        release.set()
        for thread in threads:
            thread.join()


def test_another_thread_of_the_users_own_is_left_alone() -> None:
    mine, theirs = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)
    go, ran = threading.Event(), threading.Event()
    outputs: list[Tensor] = []

    def other() -> None:
        go.wait()
        outputs.append(theirs(torch.ones(ROWS, WIDTH)))
        inner = threading.Thread(target=lambda: outputs.append(theirs(torch.ones(ROWS, WIDTH))))
        inner.start()
        inner.join()
        ran.set()

    thread = threading.Thread(target=other)
    thread.start()

    def forward(x: Tensor) -> Tensor:
        go.set()
        ran.wait()
        return mine(x)

    profile = flopsight.profile(forward, (ROWS, WIDTH), strict=True)
    thread.join()
    assert profile.macs == LAYER
    assert [type(output) for output in outputs] == [Tensor, Tensor]


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_nodes_past_the_dispatcher_are_unknown() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
    scripted = torch.jit.script(layers)
    x = torch.randn(1, 3, 8, 8)
    assert flopsight.profile(scripted, x, execute=True, strict=True).macs == 8 * 6 * 6 * 3 * 3 * 3
    optimized = torch.jit.optimize_for_inference(scripted)
    if "mkldnn" not in str(optimized.graph):
        pytest.skip("this PyTorch has no oneDNN")
    assert list(flopsight.profile(optimized, x, execute=True).unknown) == ["prim::mkldnn_convolution"]
    with flopsight.Profiler() as profiler:
        optimized(x)
    assert "prim::mkldnn_convolution" in profiler.profile.unknown
    with pytest.raises(UnknownOperatorError, match="prim::mkldnn_convolution"):
        flopsight.profile(optimized, x, execute=True, strict=True)
