"""What is reachable from a model and its arguments is put back after a profile, and the next real call works."""

from __future__ import annotations

import collections
import functools
import gc
import importlib.machinery
import os
import random
import sys
import threading
import time
import types
import weakref

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from flopsight import profile
from flopsight.tracing.untouched.others import OtherThreads
from flopsight.tracing.untouched.reach import is_foreign

BOTH = pytest.mark.parametrize("execute", [False, True])


class Slots:
    """A state in slots, one of them unset."""

    __slots__ = ("hidden", "unset")

    def __init__(self):
        self.hidden = None


@functools.lru_cache(None)
def big_mask(n):
    return torch.ones(n, n, dtype=torch.bool).tril()


TABLES: dict[int, torch.Tensor] = {}
LAST = None


class Keeper(nn.Module):
    """Leaves what `leave` leaves, and uses it in its next call."""

    shared = None

    def __init__(self, leave, start):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.leave = leave
        self.state = start

    def forward(self, x):
        return self.leave(self, self.linear(x))


def in_nested_dict(self, y):
    return self.state["a"].setdefault("b", y) + y


def in_deque(self, y):
    self.state.append(y)
    return sum(self.state)


def in_default_dict(self, y):
    self.state["a"].append(y)
    return sum(self.state["a"])


def in_object(self, y):
    self.state.hidden = y if self.state.hidden is None else y + self.state.hidden
    self.state.unset = y
    return self.state.hidden


def in_class(self, y):
    if Keeper.shared is None:
        Keeper.shared = y
    return Keeper.shared + y


def in_lru_cache(self, y):
    return (y @ y.mT).masked_fill(big_mask(300), 0.0)


def in_global_dict(self, y):
    return TABLES.setdefault(0, y) + y


def in_global_name(self, y):
    global LAST
    LAST = y if LAST is None else LAST + y
    return LAST


STARTS = {
    in_nested_dict: lambda: {"a": {}},
    in_deque: lambda: collections.deque(maxlen=4),
    in_default_dict: lambda: collections.defaultdict(list),
    in_object: Slots,
    in_class: lambda: None,
    in_lru_cache: lambda: None,
    in_global_dict: lambda: None,
    in_global_name: lambda: None,
}


def tensor_in(state):
    """Whether any tensor is reachable from the state."""
    return any(isinstance(o, torch.Tensor) for o in gc.get_referents(state, *gc.get_referents(state)))


@pytest.mark.parametrize("leave", STARTS, ids=lambda leave: leave.__name__)
def test_the_next_real_call_works(leave):
    model = Keeper(leave, STARTS[leave]())
    x = torch.randn(1, 300, 8)
    first = profile(model, x).macs
    assert profile(model, x).macs == first
    assert type(model(x)) is torch.Tensor
    Keeper.shared, model.state = None, None
    TABLES.clear()
    big_mask.cache_clear()
    globals()["LAST"] = None


@BOTH
@pytest.mark.parametrize("leave", [in_nested_dict, in_deque, in_default_dict, in_object], ids=lambda f: f.__name__)
def test_what_belongs_to_the_model_is_put_back(leave, execute):
    model = Keeper(leave, STARTS[leave]())
    profile(model, (2, 8), execute=execute)
    assert not tensor_in(model.state)


def test_an_ordered_dict_keeps_its_order():
    def reorder(self, y):
        self.state.move_to_end("a")
        self.state["c"] = y
        return y

    state = collections.OrderedDict(a=1, b=2)
    profile(Keeper(reorder, state), (2, 8))
    assert list(state.items()) == [("a", 1), ("b", 2)]


def test_a_record_of_the_users_own_is_left():
    shapes = []
    profile(lambda x: shapes.append(x.shape), (2, 3))
    assert shapes == [(2, 3)]


@BOTH
def test_an_optimizer_of_a_training_step_has_the_state_it_had(execute):
    model = nn.Linear(3, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)

    def step(x):
        model(x).sum().backward()
        optimizer.step()

    profile(step, (2, 3), execute=execute)
    assert not optimizer.state
    step(torch.ones(2, 3))


def test_weights_that_parametrize_caches_are_its_own():
    linear = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
    with parametrize.cached():
        profile(linear, (2, 8))
        assert type(linear(torch.ones(2, 8))) is torch.Tensor


class Layer:
    """Keys and values of one layer of a cache."""

    def __init__(self):
        self.keys = torch.randn(1, 5, 8)

    def update(self, keys):
        self.keys = torch.cat([self.keys, keys], dim=1)
        return self.keys


class Cache:
    """A cache as an argument: layers in a list."""

    def __init__(self):
        self.layers = [Layer(), Layer()]


@BOTH
def test_a_cache_given_as_argument_is_as_it_was(execute):
    def step(x, cache):
        for layer in cache.layers:
            x = x @ layer.update(x).mT @ layer.keys
        cache.layers.append(x)
        return x

    cache = Cache()
    keys = [layer.keys for layer in cache.layers]
    x = torch.randn(1, 1, 8)
    counts = {profile(step, {"x": x, "cache": cache}, execute=execute).macs for _ in range(2)}
    assert counts == {2 * 2 * 6 * 8}
    assert [layer.keys for layer in cache.layers] == keys
    step(x, cache)


class Drawer(nn.Module):
    """Draws from generators of its own."""

    def __init__(self):
        super().__init__()
        self.torch = torch.Generator().manual_seed(1)
        self.own = types.SimpleNamespace(numpy=np.random.default_rng(0), old=np.random.RandomState(0))
        self.python = [random.Random(0)]

    def forward(self, x):
        self.own.numpy.random()
        self.own.old.rand()
        self.python[0].random()
        return x + torch.rand(8, generator=self.torch)

    def next_draws(self):
        return (
            torch.rand(1, generator=self.torch).item(),
            self.own.numpy.random(),
            self.own.old.rand(),
            self.python[0].random(),
        )


@BOTH
def test_generators_that_the_model_holds_are_as_they_were(execute):
    model = Drawer()
    profile(model, (2, 8), execute=execute)
    assert model.next_draws() == Drawer().next_draws()


def test_draws_of_another_thread_are_not_rewound():
    linear, draws, go_on = nn.Linear(8, 8), [], threading.Event()

    def draw():
        while not go_on.is_set():
            draws.append((random.random(), np.random.rand()))

    thread = threading.Thread(target=draw)
    thread.start()
    for _ in range(100):
        profile(linear, (2, 8))
    go_on.set()
    thread.join()
    assert len(draws) > 1
    assert len(set(draws)) == len(draws)


def test_numpy_may_be_imported_meanwhile_by_another_thread(monkeypatch):
    half = types.ModuleType("numpy.random")
    half.__spec__ = importlib.machinery.ModuleSpec("numpy.random", None)
    half.__spec__._initializing = True
    monkeypatch.setitem(sys.modules, "numpy.random", half)
    layer = nn.Linear(8, 8)
    layer.own = object()
    assert profile(layer, (2, 8)).macs == 2 * 8 * 8


def test_the_monitor_of_progress_bars_is_no_other_thread():
    monitor = pytest.importorskip("tqdm._monitor").TMonitor(
        type("Bars", (), {"_instances": set(), "get_lock": threading.RLock}), 0.001
    )
    try:
        assert monitor.is_alive() and not OtherThreads().ran()
    finally:
        monitor.exit()


@pytest.mark.parametrize("file", [f"{torch.__path__[0]}/reading.py", "theirs.py"])
def test_a_thread_that_waits_in_pytorchs_own_code_is_no_other(file):
    """As the one that reads what compiling processes write does, from the first compilation on."""
    reading, written = os.pipe()
    space: dict = {}
    exec(compile("import os\ndef read(end): os.read(end, 1)", file, "exec"), space)
    thread = threading.Thread(target=space["read"], args=(reading,))
    thread.start()
    try:
        while not any(frame.f_code.co_filename == file for frame in sys._current_frames().values()):
            time.sleep(0.001)
        assert OtherThreads().ran() == (file == "theirs.py")
    finally:
        os.write(written, b".")
        thread.join()
        os.close(reading)
        os.close(written)


class Counter(nn.Module):
    """Writes to a tensor that is no buffer, to a buffer, and to running statistics."""

    def __init__(self):
        super().__init__()
        self.plain = torch.zeros(3)
        self.inside = {"more": [torch.zeros(3)]}
        self.register_buffer("steps", torch.zeros(3))
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        self.plain += 1
        self.inside["more"][0].add_(1)
        self.steps += 1
        return self.norm(x)

    def tensors(self):
        return [self.plain, self.inside["more"][0], *self.buffers()]


@BOTH
def test_values_and_version_counters_are_as_they_were(execute):
    model = Counter()
    before = [(t, t.clone(), t._version) for t in model.tensors()]
    profile(model, (4, 8), execute=execute)
    for tensor, values, version in before:
        assert torch.equal(tensor, values)
        assert tensor._version == version


@BOTH
def test_a_graph_that_saved_a_buffer_before_the_profile_still_runs(execute):
    norm, weight = nn.BatchNorm1d(8).eval(), nn.Parameter(torch.ones(8))
    loss = (norm.running_var * weight).sum()
    norm.train()
    profile(norm, (4, 8), execute=execute)
    loss.backward()
    assert torch.equal(weight.grad, torch.ones(8))


@BOTH
@pytest.mark.parametrize("backward", [False, True])
def test_a_profiled_model_is_freed_without_the_garbage_collector(execute, backward):
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    profile(model, (2, 8), execute=execute, backward=backward)
    gc.collect()
    gc.disable()
    try:
        profile(model, (2, 8), execute=execute, backward=backward)
        gone = weakref.ref(model)
        del model
        assert gone() is None
    finally:
        gc.enable()


@BOTH
def test_hooks_that_were_put_first_stay_so(execute):
    class Model(nn.Module):
        def forward(self, x):
            self.seen = x  # so that there is something to put back
            return x

    model, calls = Model(), []
    model.register_forward_hook(lambda *_: calls.append("second"))
    model.register_forward_hook(lambda *_: calls.append("first"), prepend=True)
    hooks = list(model._forward_hooks.items())
    profile(model, (2, 8), execute=execute)
    assert list(model._forward_hooks.items()) == hooks
    calls.clear()
    model(torch.ones(2, 8))
    assert calls == ["first", "second"]


def test_what_flopsight_remembers_is_no_state_of_the_models():
    """It would be reached through a function of flopsight's that the model's code names, and is large."""
    assert is_foreign(profile)
    assert is_foreign(type(profile(nn.Linear(3, 5), (7, 3))))
