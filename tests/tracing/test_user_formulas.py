"""Rules of the user's: for an operator, a module class, an autograd function, a Triton kernel; and wrong ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flopsight import Cost, Profiler, errors, formula, profile, spec
from flopsight.formulas.registry import REGISTRY, load_formulas


@pytest.fixture(autouse=True)
def registry():
    """The registry as it was, after each test."""
    formulas, targets = dict(load_formulas().formulas), dict(REGISTRY.targets)
    yield REGISTRY
    REGISTRY.formulas, REGISTRY.targets = formulas, targets
    REGISTRY.version += 1


@pytest.fixture
def scan():
    """A custom operator with a shape rule and no formula."""
    with torch.library._scoped_library("flopsight_test", "FRAGMENT") as library:
        library.define("scan(Tensor x, int width) -> Tensor")
        library.impl("scan", lambda x, width: x * width, "CPU")
        library.impl("scan", lambda x, width: torch.empty_like(x), "Meta")
        yield torch.ops.flopsight_test.scan


def test_an_operator_without_a_formula_is_unknown_and_then_known(scan):
    p = profile(lambda x: scan(x, 3) @ x, (4, 4))
    assert list(p.unknown) == ["flopsight_test::scan"]
    assert "test_user_formulas.py" in p.unknown["flopsight_test::scan"][0].site
    assert repr(p).startswith("<Profile of <lambda>: >= 64 MACs")
    with pytest.raises(errors.UnknownOperatorError, match="flopsight_test::scan"):
        profile(lambda x: scan(x, 3), (4, 4), strict=True)

    @formula("flopsight_test::scan")
    def cost(x, width, out):
        return Cost(multiply=out.numel * width)

    p = profile(lambda x: scan(x, 3), (4, 4), strict=True)
    assert (p.total("exact"), next(iter(p)).operation.source) == (16 * 3, "user")


def test_a_users_kernel_does_not_meet_fake_tensors():
    met = []

    @torch.library.custom_op("flopsight_test_custom::scan", mutates_args=())
    def kernel(x: torch.Tensor) -> torch.Tensor:
        met.append(x)
        return x.clone()

    kernel.register_fake(torch.empty_like)
    assert list(profile(lambda x: kernel(x), (2, 2)).unknown) == ["flopsight_test_custom::scan"]
    assert not met
    assert list(profile(lambda x: kernel(x), (2, 2), execute=True).unknown) == ["flopsight_test_custom::scan"]
    assert len(met) == 1


def test_a_formula_registered_with_torch_is_honoured(scan):
    from torch.utils import flop_counter

    @flop_counter.register_flop_formula(scan)
    def flops(x_shape, width, *args, out_shape=None, **kwargs):
        return 2 * x_shape[0] * width

    try:
        p = profile(lambda x: scan(x, 3), (4, 5), strict=True)
    finally:
        del flop_counter.flop_registry[scan]
    assert (p.flops, next(iter(p)).operation.source) == (2 * 4 * 3, "torch")


def test_a_formula_of_ours_can_be_replaced():
    with pytest.raises(errors.FormulaError, match="replace=True"):
        formula("aten::relu")(lambda out: Cost(compare=2 * out.numel))
    formula("aten::relu", replace=True)(lambda out: Cost(compare=2 * out.numel))
    assert profile(nn.ReLU(), (3, 4)).total("exact") == 2 * 12


class Attention(nn.Module):
    def __init__(self, heads):
        super().__init__()
        self.heads = heads
        self.linear = nn.Linear(4, 4)

    def forward(self, query, key=None, *, scale=1.0):
        return self.linear(query)


def test_a_module_class():
    @formula(Attention)
    def cost(query, module, out):
        return Cost(macs=query.numel * module.heads)

    model = nn.Sequential(Attention(2), nn.Linear(4, 4))
    p = profile(model, (3, 4))
    assert p["0"].macs == 12 * 2
    assert p["1"].macs == 3 * 16
    assert [c.operation.operator for c in p["0"]] == ["module::Attention"]
    with pytest.raises(errors.ModelError):
        profile(model, (3, 5))
    assert profile(model, (3, 4)).macs == 12 * 2 + 3 * 16


def test_an_autograd_function():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, power=2):
            ctx.save_for_backward(x)
            return x @ x

        @staticmethod
        def backward(ctx, g):
            return g * 2, None

    @formula(Square)
    def cost(x, out):
        return Cost(multiply=x.numel)

    p = profile(lambda x: Square.apply(x), (4, 4))
    assert (p.macs, p.total("exact")) == (0, 16)
    assert [c.operation.operator for c in p] == ["function::" + Square.__qualname__]
    assert Square.apply(torch.eye(2)).tolist() == [[1, 0], [0, 1]]


class Kernel:
    """What a Triton kernel looks like from Python: `kernel[grid](...)` calls `run`."""

    def __init__(self, fn):
        self.fn = fn
        self.launched = 0

    def run(self, *args, grid, warmup, **kwargs):
        self.launched += 1

    def __getitem__(self, grid):
        return lambda *args, **kwargs: self.run(*args, grid=grid, warmup=False, **kwargs)


def test_a_triton_kernel_is_counted_and_not_launched():
    def add_kernel(x, y, n, BLOCK):
        """The body is for a GPU."""

    kernel = Kernel(add_kernel)

    @formula(kernel)
    def cost(x, n):
        return Cost(add=n)

    def model(x):
        out = torch.empty_like(x)
        kernel[(1,)](x, out, x.numel(), BLOCK=128)
        return out

    p = profile(model, (4, 5))
    assert (p.total("exact"), kernel.launched) == (20, 0)
    assert profile(model, (4, 5), execute=True).total("exact") == 20
    assert kernel.launched == 1
    model(torch.ones(2))
    assert kernel.launched == 2


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda x, wrong: Cost(), "asks for 'wrong'.*has 'width', 'x'"),
        (lambda x: 3, "returned 3; return a flopsight.Cost"),
        (lambda x: Cost(multiply=1.5), "multiply=1.5; a count is an integer"),
        (lambda x: Cost(add=-1), "add=-1; a count is an integer of at least 0"),
        (lambda x: Cost(macs=2, results=3), "results=3 of macs=2"),
    ],
)
def test_a_wrong_formula_is_one_sentence(scan, rule, message):
    formula("flopsight_test::scan")(rule)
    with pytest.raises(errors.FormulaError, match=message):
        profile(lambda x: scan(x, 3), spec(4, 4))


def test_what_cannot_have_a_formula():
    with pytest.raises(errors.FormulaError, match="namespace::name"):
        formula("relu")(lambda out: Cost())
    with pytest.raises(errors.FormulaError, match="give the name of an operator"):
        formula(3)(lambda out: Cost())


@pytest.mark.parametrize(
    "operator",
    ["aten::batch_norm", "aten::_batch_norm_impl_index", "aten::native_batch_norm", "aten::relu", "aten::conv2d"],
)
def test_a_formula_for_what_a_layer_runs_counts(operator):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU()).eval()
    before = profile(model, (1, 3, 5, 5)).total("exact")

    @formula(operator, replace=True)
    def cost():
        return Cost(special=1)

    after = profile(model, (1, 3, 5, 5))
    assert [call.operation.name for call in after if call.operation.source == "user"] == [operator]
    assert after.total("exact") < before


@pytest.fixture
def halves():
    """A composite operator of the user's."""
    with torch.library._scoped_library("flopsight_test", "FRAGMENT") as library:
        library.define("halves(Tensor x, Tensor weight) -> Tensor")
        library.impl("halves", lambda x, weight: (x @ weight.T).chunk(2, -1)[0].relu(), "CompositeImplicitAutograd")
        yield torch.ops.flopsight_test.halves


class Halves(nn.Module):
    def __init__(self, run):
        super().__init__()
        self.run = run
        self.inner = nn.Linear(3, 8)

    def forward(self, x):
        return self.run(x, self.inner.weight)


WAYS = [{}, {"execute": True}, {"backward": True}, {"memory": True}, {"backward": True, "execute": True}]


@pytest.mark.parametrize("ways", WAYS, ids=str)
def test_a_formula_for_a_composite_operator_counts_in_every_run(halves, ways):
    @formula("flopsight_test::halves")
    def cost(x, weight, out):
        return Cost(special=7 * out.numel)

    p = profile(Halves(halves), (5, 3), **ways)
    assert [call.operation.name for call in p if call.phase == "forward"] == ["flopsight_test::halves"]
    assert p.by_module()["inner"].cost.special == 7 * 5 * 4
    assert ("aten::mm" in p.by_operator()) is ("backward" in ways)


def test_a_formula_for_a_composite_operator_counts_in_a_function(halves):
    @formula("flopsight_test::halves.default")
    def cost(out):
        return Cost(special=out.numel)

    assert profile(lambda x, w: halves(x, w), [(5, 3), (8, 3)]).total("exact") == 5 * 4
    with Profiler() as p, torch.no_grad():
        halves(torch.ones(5, 3), torch.ones(8, 3))
    assert p.profile.total("exact") == 5 * 4
    torch.testing.assert_close(halves(torch.ones(5, 3), torch.ones(8, 3)), torch.full((5, 4), 3.0))


def test_a_formula_for_what_a_composite_operator_is_not_made_of_leaves_it_apart():
    @formula("flopsight_test::nowhere", "aten::linear.nowhere")
    def cost():
        return Cost(special=1)

    assert profile(nn.Linear(3, 5), (2, 3), backward=True).macs == 2 * 2 * 3 * 5
