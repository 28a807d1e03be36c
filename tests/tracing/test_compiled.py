"""Compiled code is counted as its original, and `torch.compile` works afterwards as it did before."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils import _python_dispatch

import flopsight
from flopsight import Profile, Profiler

INPUT = torch.randn(4, 16)
MACS = 4 * 16 * 16 + 4 * 16 * 8
PATHS = {"": MACS, "0": 4 * 16 * 16, "1": 0, "2": 4 * 16 * 8}


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()
    torch.compiler.set_stance("default")


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 8))


def compiled(what: Any, **options: Any) -> Any:
    return torch.compile(what, backend="eager", **options)


def assert_compiles() -> None:
    """A new model is captured as one graph, and `fullgraph` finds it."""
    graphs = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph

    torch.compile(network(), backend=backend, fullgraph=True)(INPUT)
    assert len(graphs) == 1


def macs_by_path(profile: Profile) -> dict[str, int]:
    """The macs of each module, those below it included."""
    return {path: tally.macs for path, tally in profile.by_module().items()}


class Holder(nn.Module):
    """A model with a compiled part."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part(x)


class Decorated(nn.Module):
    """A model whose forward is compiled where it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.part = network()

    @torch.compile(backend="eager")
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part(x)


def compiled_function(**options: Any) -> Callable[..., Any]:
    layers = network()
    return compiled(lambda x: layers(x), **options)


def compiled_in_place() -> nn.Module:
    model = network()
    model.compile(backend="eager")
    return model


MODELS = {
    "module": lambda: compiled(network()),
    "module, fullgraph": lambda: compiled(network(), fullgraph=True),
    "twice": lambda: compiled(compiled(network())),
    "in place": compiled_in_place,
    "function": compiled_function,
    "function, fullgraph": lambda: compiled_function(fullgraph=True),
    "part": lambda: Holder(compiled(network())),
    "part, fullgraph": lambda: Holder(compiled(network(), fullgraph=True)),
    "parts of a part": lambda: Holder(nn.Sequential(*(compiled(layer) for layer in network()))),
    "decorated forward": Decorated,
}


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # PyTorch, of a compiled part in the middle
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("how", ["profile", "backward", "execute", "profiler"])
def test_compiled_code_is_counted_as_its_original_and_compiling_goes_on(
    make: Callable[[], Any], warm: bool, how: str
) -> None:
    model = make()
    if warm:
        model(INPUT)
    if how == "profiler":
        with Profiler() as profiler:
            model(INPUT)
        found = profiler.profile
    else:
        found = flopsight.profile(model, INPUT, backward=how == "backward", execute=how == "execute")
    assert found.total("macs", phase="forward") == MACS
    assert found.total("macs", phase="backward") == (MACS + 4 * 16 * 8 if how == "backward" else 0)
    assert_compiles()
    model(INPUT)


def test_the_paths_are_those_of_the_original() -> None:
    model = Holder(compiled(network()))
    by_path = {f"part.{path}" if path else "part": macs for path, macs in PATHS.items()}
    assert macs_by_path(flopsight.profile(model, INPUT)) == {"": MACS, **by_path}
    with Profiler() as profiler:
        compiled(network())(INPUT)
    by_path = {f"Sequential.{path}" if path else "Sequential": macs for path, macs in PATHS.items()}
    assert macs_by_path(profiler.profile) == {"": MACS, **by_path}
    assert profiler.profile.modules["Sequential"].calls == 1


def test_code_that_was_compiled_runs_compiled_again() -> None:
    graphs = []

    def backend(graph: Any, _: Any) -> Any:
        def run(*args: Any) -> Any:
            graphs.append(graph)
            return graph(*args)

        return run

    model = torch.compile(network(), backend=backend)
    model(INPUT)
    with Profiler() as profiler:
        model(INPUT)
    flopsight.profile(Holder(model), INPUT)
    assert (profiler.profile.macs, len(graphs)) == (MACS, 1)
    model(INPUT)
    assert len(graphs) == 2


def test_a_wrapper_around_a_compiled_function_is_not_left_out() -> None:
    inner = compiled_function()

    @functools.wraps(inner)
    def twice(x: torch.Tensor) -> torch.Tensor:
        return inner(x) + inner(x)

    assert flopsight.profile(twice, INPUT).macs == 2 * MACS


def test_the_users_stance_stays() -> None:
    eval_frame = torch._dynamo.eval_frame
    torch.compiler.set_stance("eager_on_recompile")
    before = eval_frame._stance

    def fails(_: torch.Tensor) -> None:
        raise ValueError("no")

    with pytest.raises(flopsight.errors.ModelError):
        flopsight.profile(fails, INPUT)
    assert eval_frame._stance is before

    def sets(x: torch.Tensor) -> torch.Tensor:
        torch.compiler.set_stance("fail_on_recompile")
        return x + 1

    flopsight.profile(sets, INPUT)
    assert eval_frame._stance.stance == "fail_on_recompile"


@pytest.mark.skipif(
    not hasattr(nn.modules.module, "_has_any_global_hook"), reason=f"PyTorch {torch.__version__} does not warn of hooks"
)
def test_the_warning_of_compiled_modules_about_hooks_comes_only_for_hooks_of_the_user() -> None:
    asks = nn.modules.module._has_any_global_hook
    model = compiled(network())
    with Profiler():
        model(INPUT)
    assert nn.modules.module._has_any_global_hook is asks
    hook = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        with pytest.warns(UserWarning, match="global hooks"):
            model(INPUT)
    finally:
        hook.remove()


def test_what_another_thread_calls_meanwhile_is_compiled_afterwards() -> None:
    begun, done = threading.Event(), threading.Event()
    graphs = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph

    def elsewhere() -> None:
        begun.wait(60)
        theirs(INPUT)
        done.set()

    def inside(x: torch.Tensor) -> torch.Tensor:
        begun.set()
        assert done.wait(60)
        return part(x)

    theirs = torch.compile(lambda x: x * 2 + 1, backend=backend, fullgraph=True)
    part = compiled_function()
    thread = threading.Thread(target=elsewhere)
    thread.start()
    assert flopsight.profile(inside, INPUT).macs == MACS
    thread.join()
    theirs(INPUT)
    assert len(graphs) == 1


def test_of_two_runs_at_once_the_first_to_end_leaves_the_other_alone() -> None:
    eval_frame = torch._dynamo.eval_frame
    before = eval_frame._stance
    inside, both, ended, totals = threading.Event(), threading.Event(), threading.Event(), []

    def run(arrives: threading.Event, goes_on: threading.Event) -> None:
        layers = compiled_function(fullgraph=True)

        def model(x: torch.Tensor) -> torch.Tensor:
            arrives.set()
            assert goes_on.wait(60)
            return layers(x)

        totals.append(flopsight.profile(model, INPUT).macs)
        ended.set()

    first = threading.Thread(target=run, args=(inside, both))
    second = threading.Thread(target=run, args=(both, ended))
    first.start()
    assert inside.wait(60)
    second.start()
    first.join()
    second.join()
    assert totals == [MACS, MACS]
    assert eval_frame._stance is before
    assert not _python_dispatch.is_in_torch_dispatch_mode()
    assert_compiles()


IMPORTED_MEANWHILE = """
import sys, torch, flopsight
from torch import nn
x, graphs = torch.randn(4, 16), []
def backend(graph, _):
    graphs.append(graph)
    return graph
def model(x):
    layer = nn.Linear(16, 16)
    assert "torch._dynamo" not in sys.modules
    return torch.compile(lambda x: layer(x), backend=backend, fullgraph=True)(x)
flopsight.profile(nn.Linear(16, 16), x)
assert "torch._dynamo" not in sys.modules
assert flopsight.profile(model, x, execute=True).macs == 4 * 16 * 16
assert "torch._dynamo" in sys.modules and not graphs
assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("flopsight")]
layer = nn.Linear(16, 16)
torch.compile(lambda x: layer(x), backend=backend, fullgraph=True)(x)
assert len(graphs) == 1
assert torch._dynamo.eval_frame._stance == torch._dynamo.eval_frame.DynamoStance()
"""


def test_a_run_may_be_the_first_to_compile() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED_MEANWHILE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
