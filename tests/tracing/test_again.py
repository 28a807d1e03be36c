"""A run of a model met again is not made where it would do the same, and is made wherever it might not."""

from __future__ import annotations

import copy
import gc
import random
import sys
import threading
import time
import weakref
from enum import Enum
from functools import partial
from operator import attrgetter

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

import flopsight
from flopsight import profile, spec
from flopsight.tracing import tracer
from flopsight.tracing.again import code, runs

LOG: list[object] = []
TWICE = 2
TEMPERATURE = torch.tensor(3.0)


def scaled(x, factor=TWICE, *, bias=1):
    x = x * factor if factor > 1 else x
    return x + bias if bias else x


def closing(times):
    def repeated(x):
        for _ in range(times):
            x = x.relu()
        return x

    return repeated


repeated = closing(2)


class Block(nn.Module):
    expansion = 2

    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.depth = 1
        self.sizes = [1, 2]
        self.named = {"a": 1}
        self.pair = (1, [2])
        self.unread = object()

    @property
    def steps(self):
        return self.depth

    @staticmethod
    def joined(x):
        return torch.cat([x, x], dim=-1)[..., : x.shape[-1]]

    def inner(self, x):
        for _ in range(self.steps * self.expansion):
            x = F.gelu(self.layer(x))
        return x

    def forward(self, x):
        x = scaled(self.inner(self.norm(x)))
        for _ in range(len(self.sizes) + self.sizes[0] + self.named["a"] + self.pair[1][0]):
            x = x.sigmoid()
        if self.training:
            x = x.tanh()
        return repeated(self.joined(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.blocks = nn.ModuleList([Block(8), Block(8)])
        self.register_buffer("places", torch.arange(16).remainder(4))
        self.table = nn.Parameter(torch.zeros(4, 8))

    def forward(self, x, scale=1):
        x = self.stem(x).flatten(2).transpose(1, 2)
        x = x + self.table[self.places.view(-1)]
        for block in self.blocks:
            x = block(x)
        return x * scale


SHAPE = (2, 3, 4, 4)


def described(p):
    nodes = [(n.path, n.kind, n.parameters, n.calls, n.inputs, n.outputs) for n in p.modules.values()]
    calls = [(c.operation.operator, c.operation.inputs, c.operation.cost, c.module, c.phase) for c in p]
    return nodes, p.scopes, calls, p.params, p.total("exact"), p.notes, p.about, p.model


def made(model, inputs=SHAPE, **given):
    """The profile of a run that is made, whatever is known."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "recorded", lambda request: None)
        return profile(model, inputs, **given)


def kept(model, inputs=SHAPE, **given):
    """Whether a run of a model that was run three times is not made."""
    for _ in range(3):
        profile(model, inputs, **given)
    return is_told(model, inputs, **given)


def is_told(model, inputs=SHAPE, **given):
    """Whether the next run is not made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracer, "_traced", lambda request: None)
        patch.setattr(tracer.leftover, "warn_of_leftovers", lambda before, others: None)
        return profile(model, inputs, **given) is not None


def test_an_equal_run_is_told_and_not_made():
    net = Net().eval()
    wanted = described(made(copy.deepcopy(net)))
    for _ in range(3):
        assert described(profile(net, SHAPE)) == wanted
    assert is_told(net)
    assert described(profile(net, SHAPE)) == wanted


def test_the_record_told_is_the_callers_own():
    net = Net().eval()
    wanted = described(profile(net, SHAPE))
    assert kept(net)
    for _ in range(2):
        p = profile(net, SHAPE)
        assert described(p) == wanted
        p.modules[""].calls = 7
        p.modules.clear()
        p.notes.append("mine")
        p.about["inputs"].append("mine")
        for held in (p.calls, p.scopes, p.operations):
            held.clear()


# --- what is changed is seen -----------------------------------------------------------------------------------------


def first(net):
    return net.blocks[0]


def patched(owner, name, value):
    def change(net, patch):
        patch.setattr(owner, name, value, raising=False)

    return change


def on_block(name, value):
    return lambda net, patch: patch.setattr(first(net), name, value, raising=False)


def other_sigmoid(self):
    return self.relu().relu()


def another_forward(self, x):
    return x


def cell(net, patch):
    patch.setattr(repeated.__closure__[0], "cell_contents", 5)


def list_in_a_tuple(net, patch):
    first(net).pair[1][0] = 4


def a_base(net, patch):
    class Base(nn.Module):
        def inner(self, x):
            return x

    class Derived(Base, Block):
        pass

    first(net).__class__ = Derived


def a_subclass(net, patch):
    first(net).__class__ = type("Deeper", (Block,), {"expansion": 5})


def hooked(net, patch):
    first(net).register_forward_hook(lambda module, args, out: out + 1)


def hooked_before(net, patch):
    first(net).layer.register_forward_pre_hook(lambda module, args: (args[0].relu(),))


def hooked_globally(net, patch):
    handle = nn.modules.module.register_module_forward_hook(lambda module, args, out: out + 1)
    patch.setattr(net, "handle", handle, raising=False)


def a_larger_table(net, patch):
    net.table = nn.Parameter(torch.zeros(6, 8))


def other_places(net, patch):
    net.places = torch.arange(16).to(torch.int32)


def a_call_of_ones_own(net, patch):
    original = nn.Module.__call__
    patch.setattr(nn.Module, "__call__", lambda self, *args, **kwargs: original(self, *args, **kwargs) + 0)


def default_of_a_keyword(net, patch):
    patch.setitem(scaled.__kwdefaults__, "bias", 0)


CHANGES = {
    "attribute": on_block("depth", 3),
    "attribute not there before": on_block("expansion", 4),
    "list": lambda net, patch: first(net).sizes.append(1),
    "item": lambda net, patch: first(net).sizes.__setitem__(0, 5),
    "dict": lambda net, patch: first(net).named.update(a=3),
    "list in a tuple": list_in_a_tuple,
    "class attribute": patched(Block, "expansion", 3),
    "method": patched(Block, "inner", lambda self, x: x),
    "static method": patched(Block, "joined", staticmethod(lambda x: x)),
    "property": patched(Block, "steps", property(lambda self: 4)),
    "forward": patched(Block, "forward", another_forward),
    "forward of an instance": on_block("forward", partial(another_forward, None)),
    "forward of PyTorch's": patched(nn.Linear, "forward", another_forward),
    "base": a_base,
    "subclass": a_subclass,
    "global": patched(sys.modules[__name__], "scaled", lambda x: x),
    "global that hides a builtin": patched(sys.modules[__name__], "range", lambda n: [0]),
    "code": patched(scaled, "__code__", (lambda x, factor=3, *, bias=1: x).__code__),
    "defaults": patched(scaled, "__defaults__", (1,)),
    "keyword default": default_of_a_keyword,
    "closure": cell,
    "function of PyTorch's": patched(F, "gelu", torch.relu),
    "operator": patched(torch, "cat", lambda tensors, dim: tensors[0]),
    "operator under a function of PyTorch's": patched(torch, "layer_norm", lambda x, *_: x.relu()),
    "method of tensors": patched(torch.Tensor, "sigmoid", other_sigmoid),
    "calls of modules": a_call_of_ones_own,
    "training": lambda net, patch: net.train(),
    "training of one": lambda net, patch: first(net).train(),
    "hook": hooked,
    "hook before": hooked_before,
    "hook of all modules": hooked_globally,
    "module": lambda net, patch: setattr(first(net), "norm", nn.Identity()),
    "module in a list": lambda net, patch: net.blocks.append(Block(8)),
    "module in a sequence": lambda net, patch: net.stem.append(nn.Tanh()),
    "module's attribute": lambda net, patch: patch.setattr(net.stem[2], "inplace", False),
    "parameter": a_larger_table,
    "no gradient": lambda net, patch: net.table.requires_grad_(False),
    "dtype": lambda net, patch: net.to(torch.bfloat16),
    "buffer": other_places,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_since_is_seen(change):
    net = Net().eval()
    before = described(profile(net, SHAPE))
    assert kept(net)
    with pytest.MonkeyPatch.context() as patch:
        CHANGES[change](net, patch)
        try:
            now = profile(net, SHAPE)
            assert described(now) == described(made(net))
            if change != "buffer":
                assert described(now) != before
            for _ in range(3):
                assert described(profile(net, SHAPE)) == described(now)
        finally:
            if hasattr(net, "handle"):
                net.handle.remove()


def test_a_function_under_one_of_pytorchs_is_seen(monkeypatch):
    net = nn.Sequential(nn.ReLU(), nn.Softmax(dim=-1))
    assert kept(net, (2, 3))
    monkeypatch.setattr(F, "_get_softmax_dim", lambda *_: 0, raising=True)
    assert not is_told(net, (2, 3))


def test_what_stands_in_the_place_of_a_function_of_pytorchs_is_followed_too(monkeypatch):
    places = []

    def other(x, *_):
        places.append(x.shape)
        return x.relu()

    monkeypatch.setattr(torch, "layer_norm", other)
    assert not kept(nn.Sequential(nn.LayerNorm(3)), (2, 3))
    monkeypatch.setattr(torch, "layer_norm", lambda x, *_: x.relu())
    assert kept(nn.Sequential(nn.LayerNorm(3)), (2, 3))


def grad(on):
    return torch.set_grad_enabled(on)


@pytest.mark.parametrize(
    "context",
    [lambda: grad(False), torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16), flopsight.Profiler],
    ids=["no gradients", "inference mode", "autocast", "profiler"],
)
def test_the_context_of_a_run_is_part_of_it(context):
    net = Net().eval()
    assert kept(net)
    with context():
        assert not is_told(net)
        assert described(profile(net, SHAPE)) == described(made(net))
    assert is_told(net)


def test_a_default_dtype_is_part_of_a_run():
    net = nn.Sequential(nn.ReLU(), nn.Tanh())
    assert kept(net, (2, 3))
    torch.set_default_dtype(torch.float64)
    try:
        assert not is_told(net, (2, 3))
        assert profile(net, (2, 3)).operations[0].dtype == "float64"
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_switch_of_pytorchs_is_part_of_a_run():
    net = Net().eval()
    assert kept(net)
    torch.use_deterministic_algorithms(True)
    try:
        assert not is_told(net)
    finally:
        torch.use_deterministic_algorithms(False)
    assert is_told(net)


def test_a_formula_is_part_of_a_run():
    net = Net().eval()
    before = profile(net, SHAPE).total("exact")
    assert kept(net)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flopsight.formulas.registry.REGISTRY, "version", -1)
        assert not is_told(net)
    assert profile(net, SHAPE).total("exact") == before


def test_a_formula_of_a_module_is_part_of_a_run():
    net = Net().eval()
    assert kept(net)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(flopsight.formulas.registry.REGISTRY.targets, Block, None)
        assert not is_told(net)
        patch.delitem(flopsight.formulas.registry.REGISTRY.targets, Block)
        patch.setitem(flopsight.formulas.registry.REGISTRY.targets, Two, None)
        assert is_told(net)


# --- arguments -------------------------------------------------------------------------------------------------------


def test_arguments_are_told_apart():
    net = Net().eval()
    assert kept(net)
    assert kept(net, spec(*SHAPE, dtype="float32"))
    assert kept(net, torch.rand(SHAPE))
    for other in ((1, 3, 4, 4), spec(*SHAPE, dtype="float64"), torch.rand(SHAPE).to(memory_format=torch.channels_last)):
        assert not is_told(net, other)
    assert kept(net, SHAPE, kwargs={"scale": 2})
    assert not is_told(net, SHAPE, kwargs={"scale": 2.0})
    assert not is_told(net, SHAPE, kwargs={"scale": True})
    assert not is_told(net, SHAPE, backward=True)
    assert not is_told(net, SHAPE, memory=True)
    assert not is_told(net, torch.rand(SHAPE), execute=True)
    assert not is_told(net, torch.rand(SHAPE).requires_grad_())


class Two(nn.Module):
    def forward(self, x, y):
        return x + y if x is y else x * y - x


def test_one_tensor_twice_is_not_two():
    net, x, y = Two(), torch.rand(3), torch.rand(3)
    assert kept(net, (x, y))
    assert not is_told(net, (x, x))
    assert [c.operation.name for c in profile(net, (x, x))] == ["aten::add"]


def test_integers_are_run_again():
    net = nn.Embedding(4, 2)
    assert not kept(net, spec(3, dtype="int64"))
    assert not kept(net, torch.tensor([1, 2]))


def test_a_parameter_as_an_argument_is_run_again():
    net = Two()
    net.register_buffer("held", torch.rand(3))
    assert kept(net, (torch.rand(3), torch.rand(3)))
    assert not is_told(net, (net.held, torch.rand(3)))


# --- code that may see more -----------------------------------------------------------------------------------------


class Counter:
    times = 0


class Listed(Enum):
    FEW = [1, 2]  # noqa: RUF012


def counting():
    times = 0

    class Counting(nn.Module):
        def forward(self, x):
            nonlocal times
            times += 1
            return x * times

    return Counting()


class Open(nn.Module):
    """A model whose forward is given by name."""

    def __init__(self, way):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.way = way
        self.counter = Counter()
        self.held = torch.ones(2)
        self.modules_beside = [nn.Linear(3, 3)]
        self.register_buffer("places", torch.tensor([1, 2]))
        self.times = 0
        self.forward = getattr(self, way)

    def extra_repr(self):
        LOG.append("shown")
        return ""

    def assigns(self, x):
        self.times += 1
        return x

    def reads_an_object(self, x):
        return x * self.counter.times

    def reads_a_tensor(self, x):
        return x * self.held.shape[0]

    def uses_a_hidden_module(self, x):
        return self.modules_beside[0](x)

    def appends_to_a_global(self, x):
        LOG.append(x.shape)
        return x

    def reads_a_global_tensor(self, x):
        return x * TEMPERATURE

    def draws(self, x):
        return x * random.random()

    def asks_the_time(self, x):
        return x * time.time()

    def imports(self, x):
        import math

        return x * math.pi

    def catches(self, x):
        try:
            return x + self.times
        except ValueError:
            return x

    def enters(self, x):
        with torch.no_grad():
            return self.layer(x)

    def looks_up(self, x):
        return getattr(self, "layer")(x)  # noqa: B009

    def makes_an_object(self, x):
        return x * Counter().times

    def asks_a_value(self, x):
        return x * self.places[1].item()

    def branches_on_a_value(self, x):
        return x if self.places.sum() > 2 else self.layer(x)

    def lists_values(self, x):
        return x * sum(self.places.tolist())

    def selects_by_value(self, x):
        return x[:, : len(self.places.nonzero())]

    def splits_by_values(self, x):
        return torch.cat(x.tensor_split(self.places, dim=1), dim=1).relu()

    def asks_a_gradient(self, x):
        return x if self.layer.weight.grad is None else self.layer(x)

    def is_shown(self, x):
        return x if f"{self}" else self.layer(x)

    def reads_of_a_member(self, x):
        return x * Listed.FEW.value[0]

    through = property(attrgetter("counter"))

    def reads_through(self, x):
        return x * self.through.times

    def prints(self, x):
        print("hello")
        return x

    def reads_its_dictionary(self, x):
        return x * len(self.__dict__)

    def keeps_a_module_aside(self, x):
        functional = F
        return functional.relu(x)


WAYS = [name for name, value in vars(Open).items() if callable(value) and not name.startswith(("_", "extra"))]


@pytest.mark.parametrize("way", WAYS)
def test_code_that_may_see_more_is_run_again(way, capsys):
    cls = type(f"Open_{way}", (Open,), {"__init__": nn.Module.__init__, "forward": getattr(Open, way)})
    net = cls()
    for name, value in vars(Open("draws")).items():
        if name not in vars(net) and name != "forward":
            setattr(net, name, value)
    net.register_buffer("places", torch.tensor([1, 2]))
    net.layer = nn.Linear(3, 3)
    assert not kept(net, (2, 3))


def test_code_that_counts_its_calls_is_run_each_time():
    net = counting()
    products = [profile(net, (2, 3)) for _ in range(5)]
    assert not is_told(net, (2, 3))
    assert len(products) == 5


def test_unknown_operators_are_told_with_the_line_of_this_run():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.special.airy_ai(x)

    assert profile(Odd(), (3,)).unknown == {} or not kept(Odd(), (3,))


def test_instructions_that_are_not_known_are_not_followed(monkeypatch):
    def plain(x):
        return x + 1

    assert code._names_in(plain.__code__) is not None
    monkeypatch.setattr(code, "_FOLLOWED", code.re.compile("LOAD_.*"))
    assert code._names_in(plain.__code__) is None


def test_super_is_followed_and_the_class_itself_is_not():
    class Base(nn.Module):
        def forward(self, x):
            return x.relu()

    class Derived(Base):
        def forward(self, x):
            return super().forward(x)

    class Makes(Base):
        def forward(self, x):
            return __class__.times * x

        times = 2

    assert kept(Derived(), (3,))
    assert not kept(Makes(), (3,))


class Shade(Enum):
    DARK = 1
    LIGHT = 2


class Branches(nn.Module):
    """What is not run does not matter, as long as it is not."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.checkpoints = False
        self.shade = Shade.DARK

    def forward(self, x):
        if self.checkpoints:
            return checkpoint(self.counted, x, use_reentrant=False)
        if isinstance(self.layer, nn.Linear) and self.shade is Shade.DARK:
            x = x.tanh()
        return self.layer(x)

    def counted(self, x):
        LOG.append(x.shape)
        return self.layer(x).relu()


def test_code_that_did_not_run_does_not_matter():
    net = Branches()
    wanted = described(made(net, (2, 3)))
    assert kept(net, (2, 3))
    assert described(profile(net, (2, 3))) == wanted
    net.shade = Shade.LIGHT
    assert not is_told(net, (2, 3))
    assert "aten::tanh" not in profile(net, (2, 3)).by_operator()
    net.checkpoints = True
    assert "aten::relu" in profile(net, (2, 3)).by_operator()
    assert not kept(net, (2, 3))
    net.checkpoints, net.shade = False, Shade.DARK
    assert described(profile(net, (2, 3))) == wanted


def test_a_run_under_a_profiler_of_the_users_is_not_kept():
    net, calls = Net().eval(), []

    def note(frame, event, arg):
        calls.append(event)

    for _ in range(3):
        sys.setprofile(note)
        try:
            profile(net, SHAPE)
        finally:
            assert sys.getprofile() is note
            sys.setprofile(None)
    assert len(calls) > 100
    assert not is_told(net)
    assert kept(net)


def test_a_run_that_fails_leaves_no_profiler():
    net = Two()
    for _ in range(3):
        with pytest.raises(flopsight.errors.ModelError):
            profile(net, ((2, 3), (4, 5)))
    profile(net, ((2, 3), (2, 3)))
    net.forward = lambda x, y: x @ y
    for _ in range(2):
        with pytest.raises(flopsight.errors.ModelError):
            profile(net, ((2, 3), (2, 3)))
    assert sys.getprofile() is None


def test_a_model_that_alternates_is_told_in_both_states():
    net = Net()
    for _ in range(3):
        for training in (True, False):
            profile(net.train(training), SHAPE)
    for training in (True, False):
        net.train(training)
        assert is_told(net)
        assert described(profile(net, SHAPE)) == described(made(net))


def test_a_model_that_is_never_the_same_is_no_longer_compared():
    net = Net().eval()
    for depth in range(1, 25):
        first(net).depth = depth
        assert profile(net, SHAPE).macs == made(net).macs
    assert not kept(net)


def test_threads_are_told_the_same():
    net = Net().eval()
    wanted = described(profile(net, SHAPE))
    assert kept(net)
    found = []
    threads = [
        threading.Thread(target=lambda: found.extend(described(profile(net, SHAPE)) == wanted for _ in range(20)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 80


def test_nothing_of_a_model_is_kept_alive():
    net = Net().eval()
    assert kept(net)
    dead = [weakref.ref(net), weakref.ref(first(net)), weakref.ref(net.table)]
    del net
    gc.collect()
    assert [reference() for reference in dead] == [None] * 3
