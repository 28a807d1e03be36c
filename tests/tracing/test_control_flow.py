"""Operators that take functions: what they hold is counted, as often as it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._higher_order_ops import effects, scan, utils, while_loop
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.map import map as mapped
from torch._ops import HigherOrderOperator, _higher_order_ops
from torch.fx import symbolic_trace
from versions import VERSION

import flopsight
from flopsight import coverage
from flopsight.errors import InputError, NeedsValuesError
from flopsight.tracing.constructs import control_flow
from flopsight.tracing.constructs.higher_order import FOLLOWED

SIZE, STEPS = 4, 3
PRODUCT = SIZE**3
Function = Callable[[Tensor, Tensor], Any]


def matmul(a: Tensor, b: Tensor) -> Tensor:
    return a @ b


def shifted(a: Tensor, b: Tensor) -> Tensor:
    return a + b.sum()


def chosen(x: Tensor, w: Tensor) -> Any:
    return torch.cond(x.sum() > 0, matmul, shifted, (x, w))


def chosen_by_a_constant(x: Tensor, w: Tensor) -> Any:
    return torch.cond(torch.arange(2)[1] > 0, shifted, matmul, (x, w))


def each_row(x: Tensor, w: Tensor) -> Any:
    return mapped(lambda row, w: {"out": w @ row, "row": row + 1}, x, w)["out"]


def scanned(x: Tensor, w: Tensor) -> Any:
    (carry, _), out = scan(lambda c, row: ((c[0] + w @ row, c[1] + 1), c[0] * row), (x[0], x[1]), x, reverse=True)
    return carry, out


def prefix(x: Tensor, w: Tensor) -> Any:
    return associative_scan(torch.add, x, 0, combine_mode="generic") @ w


def looped(x: Tensor, w: Tensor) -> Any:
    return while_loop(lambda i, a: i < STEPS, lambda i, a: (i + 1, a @ w), (torch.arange(1)[0], x))[1]


EAGER: dict[Function, int] = {
    chosen: PRODUCT,
    chosen_by_a_constant: 0,
    each_row: PRODUCT,
    scanned: PRODUCT,
    prefix: PRODUCT,
    looped: STEPS * PRODUCT,
}


USED = {"scanned": "scan", "prefix": "associative_scan"}


def _skip_unlike(name: str) -> None:
    """Skip where this version of PyTorch does not have the operator, or has it with other arguments."""
    coverage._register()
    if name not in _higher_order_ops:
        pytest.skip(f"PyTorch {VERSION} has no {name}")
    taken = inspect.signature(_higher_order_ops[name].__call__).parameters
    unlike = {
        "scan": "dim" in taken,
        "associative_scan": "dim" in taken,
        "invoke_subgraph": "operands" in taken and taken["operands"].kind is not inspect.Parameter.VAR_POSITIONAL,
        "with_effects": len(inspect.signature(effects.has_effects).parameters) > 1,
    }
    if unlike.get(name):
        pytest.skip(f"{name} of PyTorch {VERSION} takes other arguments")


@pytest.mark.parametrize("function", list(EAGER))
@pytest.mark.parametrize("grad", [False, True])
def test_counted_the_same_with_and_without_values(function: Function, grad: bool) -> None:
    _skip_unlike(USED.get(function.__name__, "cond"))
    compile_and_call, dispatch = getattr(utils, "_hop_compile_and_call", None), HigherOrderOperator.dispatch
    x, w = torch.ones(SIZE, SIZE, requires_grad=grad), torch.ones(SIZE, SIZE)
    fake = flopsight.profile(function, (x, w), strict=True)
    real = flopsight.profile(function, (x, w), execute=True, strict=True)
    with flopsight.Profiler() as profiler:
        function(x, w)
    assert fake.macs == real.macs == profiler.profile.macs == EAGER[function]
    assert fake.cost == real.cost == profiler.profile.cost
    if grad:
        both = [flopsight.profile(function, (x, w), backward=True, execute=execute) for execute in (False, True)]
        assert both[0].cost == both[1].cost
        assert both[0].total("macs", phase="backward") == EAGER[function], "the gradient of x, as of any product"
    assert x.grad is None
    assert getattr(utils, "_hop_compile_and_call", None) is compile_and_call
    assert HigherOrderOperator.dispatch is dispatch


def test_results_under_a_profiler_are_those_without() -> None:
    _skip_unlike("scan")
    x, w = torch.arange(16.0).view(SIZE, SIZE), torch.eye(SIZE) + 1
    with flopsight.Profiler():
        outs = {function: function(x, w) for function in EAGER if function is not prefix}
    rows = (x @ w.T,)
    carry, out = x[0], []
    for row in x.flip(0):
        out.append(carry * row)
        carry = carry + w @ row
    expected = {
        chosen: x @ w,
        chosen_by_a_constant: shifted(x, w),
        each_row: rows[0],
        looped: x @ w @ w @ w,
    }
    for function, wanted in expected.items():
        torch.testing.assert_close(outs[function], wanted)
    torch.testing.assert_close(outs[scanned][0], carry)
    torch.testing.assert_close(outs[scanned][1], torch.stack(out).flip(0))


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.small, self.large = nn.Linear(SIZE, SIZE), nn.Linear(SIZE, 2 * SIZE)

    def forward(self, x: Tensor) -> Any:
        return torch.cond(x.mean() > 0, lambda a: self.small(a), lambda a: self.large(a)[:, :SIZE].clone(), (x,))


def test_the_dearer_branch_is_booked_and_said() -> None:
    profile = flopsight.profile(Gated(), (2, SIZE))
    profile.self_check()
    assert profile.macs == profile["large"].macs == 2 * SIZE * 2 * SIZE
    assert profile["small"].macs == 0
    (note,) = profile.notes
    assert note.startswith("Gated at ")
    assert "torch.cond" in note and "the second" in note
    assert note in str(profile)
    assert flopsight.profile(chosen_by_a_constant, [(SIZE, SIZE)] * 2).notes == []
    backward = flopsight.profile(Gated(), (2, SIZE), backward=True)
    assert backward.total("macs", phase="backward") == 2 * SIZE * 2 * SIZE, "the gradient of the weight that is used"


def test_a_branch_of_unknown_cost_is_not_dropped() -> None:
    def forward(x: Tensor) -> Any:
        return torch.cond(x.sum() > 0, lambda a: torch.ops.aten._foobar(a), lambda a: a @ a, (x,))

    assert list(flopsight.profile(forward, (SIZE, SIZE)).unknown) == ["aten::_foobar"]


def test_a_loop_whose_length_depends_on_values_is_refused() -> None:
    def forward(x: Tensor) -> Any:
        return while_loop(lambda a: a.sum() < 9, lambda a: (a + 1,), (x,))

    with pytest.raises(NeedsValuesError, match=r"how often a while_loop runs depends on values.*execute=True"):
        flopsight.profile(forward, (2, 2))
    assert flopsight.profile(forward, torch.zeros(2, 2), execute=True).cost.add == 4 * 3 + 3 * 4, "4 sums, 3 steps"


@pytest.mark.parametrize("execute", [False, True])
def test_vmap_has_its_own_way_with_cond(execute: bool) -> None:
    """Both branches of every row, one of them with a product, and a choice between the results."""

    def forward(x: Tensor, w: Tensor) -> Tensor:
        return torch.vmap(lambda row: torch.cond(row.sum() > 0, lambda a: w @ a, lambda a: a + 1, (row,)))(x)

    x, w = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    assert flopsight.profile(forward, (x, w), execute=execute, strict=True).macs == PRODUCT


def test_compilation_works_after_a_run() -> None:
    flopsight.profile(chosen, [(SIZE, SIZE)] * 2)
    frames: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        frames.append(graph)
        return graph

    x = torch.ones(SIZE, SIZE)
    torch.testing.assert_close(torch.compile(lambda a: chosen(a, a), backend=backend)(x), x @ x)
    assert len(frames) == 1


def _operator(name: str, *args: Any, **kwargs: Any) -> Any:
    return _higher_order_ops[name](*args, **kwargs)


def _body(a: Tensor, b: Tensor) -> tuple[Tensor]:
    return (a @ b,)


GRAPH = symbolic_trace(_body)
LOOP = (lambda i, a, b: i < STEPS, lambda i, a, b: (i + 1, a @ b))

DIRECT: dict[str, tuple[Function, int]] = {
    "associative_scan": (lambda x, w: _operator("associative_scan", lambda a, b: (a + b,), [x], ()), 0),
    "cond": (lambda x, w: _operator("cond", x.sum() > 0, _body, _body, (x, w)), PRODUCT),
    "hints_wrapper": (lambda x, w: _operator("hints_wrapper", _body, (x, w), {}, hints={}), PRODUCT),
    "invoke_subgraph": (lambda x, w: _operator("invoke_subgraph", GRAPH, "name", x, w), PRODUCT),
    "map_impl": (lambda x, w: _operator("map_impl", lambda a, b: (b @ a,), [x], (w,)), PRODUCT),
    "out_dtype": (lambda x, w: _operator("out_dtype", torch.ops.aten.mm.default, torch.float32, x, w), PRODUCT),
    "print": (lambda x, w: _operator("print", "printed"), 0),
    "scan": (lambda x, w: _operator("scan", lambda c, a, b: (b @ c, a + 1), [x[0]], [x], (w,)), PRODUCT),
    "strict_mode": (lambda x, w: _operator("strict_mode", _body, (x, w)), PRODUCT),
    "while_loop": (
        lambda x, w: _operator("while_loop", *LOOP, (torch.arange(1)[0], x), (w,)),
        STEPS * PRODUCT,
    ),
    "while_loop_stack_output": (
        lambda x, w: _operator("while_loop_stack_output", *LOOP, (torch.arange(1)[0], x), (w,)),
        STEPS * PRODUCT,
    ),
    "with_effects": (
        lambda x, w: _operator("with_effects", torch.ops.aten._make_dep_token(), torch.ops.aten.mm.default, x, w),
        PRODUCT,
    ),
    "dynamo_bypassing_wrapper": (
        lambda x, w: _operator("dynamo_bypassing_wrapper", lambda f: f, _body, x, w),
        PRODUCT,
    ),
    "register_hook": (lambda x, w: (_operator("register_hook", x.requires_grad_(), lambda g: g), x @ w), PRODUCT),
    "tag_activation_checkpoint": (
        lambda x, w: _operator("tag_activation_checkpoint", GRAPH, x, w, use_reentrant=False),
        PRODUCT,
    ),
    "wrap": (lambda x, w: _operator("wrap", _body, x, w), PRODUCT),
    "wrap_with_autocast": (
        lambda x, w: _operator("wrap_with_autocast", "cpu", torch.bfloat16, True, False, _body, x, w),
        PRODUCT,
    ),
    "wrap_with_set_grad_enabled": (lambda x, w: _operator("wrap_with_set_grad_enabled", False, _body, x, w), PRODUCT),
}


@pytest.mark.parametrize("name", sorted(FOLLOWED | coverage._WRAPPERS))
@pytest.mark.parametrize("grad", [False, True])
def test_each_operator_that_the_table_calls_counted(name: str, grad: bool) -> None:
    _skip_unlike(name)
    function, macs = DIRECT[name]
    for execute in (False, True):
        x, w = torch.ones(SIZE, SIZE, requires_grad=grad), torch.ones(SIZE, SIZE)
        profile = flopsight.profile(function, (x, w), execute=execute, strict=True)
        assert profile.macs == macs, f"{name}, execute={execute}"


def test_an_operator_of_other_arguments_than_the_rule_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(_higher_order_ops["map_impl"]), "__call__", lambda self, f, xs, dim: map_call(f, xs, dim))
    control_flow._check_arguments.cache_clear()
    map_call = partial(HigherOrderOperator.__call__, _higher_order_ops["map_impl"])
    with pytest.raises(InputError, match=r"cannot follow the operator map_impl of PyTorch .* other arguments"):
        flopsight.profile(lambda x: _operator("map_impl", torch.neg, [x], 0), (SIZE, SIZE))


def test_an_operator_that_hides_its_work_is_unknown() -> None:
    _skip_unlike("foreach_map")

    def forward(x: Tensor) -> Any:
        return _operator("foreach_map", lambda a: [item @ item for item in a], [x])

    with pytest.raises(InputError, match="cannot follow the operator foreach_map"):
        flopsight.profile(forward, (SIZE, SIZE))
    assert "higher_order::foreach_map" in flopsight.profile(forward, (SIZE, SIZE), execute=True).unknown
