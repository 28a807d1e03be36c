"""A forward without autograd counts what the user's own call runs, whatever that asks of gradients."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from flopsight import Profiler, profile
from flopsight.errors import ModelError
from flopsight.tracing import tracer

VIEWS = {"aten::detach", "aten::detach_", "aten::alias"}
"""What autograd itself does, at no cost, when it keeps a tensor."""


def calls(record, phase="forward"):
    """Calls by operator and arguments' shapes."""
    operations = [c.operation for c in record if c.phase == phase]
    return Counter((o.operator, tuple(map(str, o.inputs.values()))) for o in operations if o.operator not in VIEWS)


def ways(model, x):
    """The calls of the user's own run, and of each way to profile it."""
    with Profiler() as profiler:
        model(x)
    fake, again = profile(model, x), profile(model, x)
    return calls(profiler.profile), {
        "fake": calls(fake),
        "again": calls(again),
        "execute": calls(profile(model, x, execute=True)),
    }


class Branch(nn.Module):
    """Runs its second layer where `choose` says so."""

    def __init__(self, choose):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.scale = nn.Parameter(torch.ones(()))
        self.choose = choose

    def forward(self, x):
        y = self.first(x)
        return y + self.second(x) if self.choose(self, x, y) else y


class Doubled(torch.autograd.Function):
    """An identity whose forward does more where a gradient is wanted."""

    @staticmethod
    def forward(ctx, x):
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(x @ x.t())
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


def _in_no_grad(ask):
    def choose(m, x, y):
        with torch.no_grad():
            return ask(m, x, m.first(x))

    return choose


def _function(m, x, y):
    Doubled.apply(y)
    return False


def _input_gradient(m, x, y):
    with torch.enable_grad():
        z = x.detach().requires_grad_()
        torch.autograd.grad(m.first(z).sum(), z)
    return False


def _functional_gradient(m, x, y):
    torch.func.grad(lambda z: m.first(z).sum())(x)
    return False


CHOICES = {
    "grad mode": lambda m, x, y: torch.is_grad_enabled(),
    "no_grad": _in_no_grad(lambda m, x, y: torch.is_grad_enabled()),
    "requires_grad": lambda m, x, y: y.requires_grad,
    "requires_grad in no_grad": _in_no_grad(lambda m, x, y: y.requires_grad),
    "of the input": lambda m, x, y: x.requires_grad,
    "of integers": lambda m, x, y: y.argmax(-1).requires_grad,
    "detached": lambda m, x, y: y.detach().requires_grad,
    "grad_fn": lambda m, x, y: y.grad_fn is not None,
    "is_leaf": lambda m, x, y: y.is_leaf,
    "of a view of a weight": lambda m, x, y: m.first.weight.t().requires_grad,
    "of a scalar weight": lambda m, x, y: (m.scale * 2).requires_grad,
    "needs_input_grad": _function,
    "autograd.grad": _input_gradient,
    "func.grad": _functional_gradient,
}


@pytest.mark.parametrize("grad", [True, False], ids=["grad", "no grad"])
@pytest.mark.parametrize("choice", CHOICES)
def test_what_a_model_asks_of_gradients_is_answered_as_in_its_own_call(choice, grad):
    model, x = Branch(CHOICES[choice]), torch.randn(4, 8)
    with torch.set_grad_enabled(grad):
        expected, found = ways(model, x)
    assert found == dict.fromkeys(found, expected)


@pytest.mark.parametrize("trainable", [True, False])
def test_a_frozen_model_asks_of_gradients(trainable):
    model = Branch(CHOICES["requires_grad"]).requires_grad_(trainable)
    expected, found = ways(model, torch.randn(4, 8))
    assert found == dict.fromkeys(found, expected)
    assert profile(model, (4, 8)).macs == (1 + trainable) * 4 * 8 * 8


class Biased(nn.Module):
    """Attention with a learned bias on its scores, as in T5."""

    def __init__(self, learned):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(2, 4, 4), requires_grad=learned)

    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x, attn_mask=self.bias * 2)


@pytest.mark.parametrize("learned", [True, False])
def test_attention_takes_its_plain_path_where_the_mask_requires_a_gradient(learned):
    model, x = Biased(learned), torch.randn(3, 2, 4, 8)
    expected, found = ways(model, x)
    assert found == dict.fromkeys(found, expected)
    assert calls(profile(model, x)).keys() == calls(profile(model, x, execute=True)).keys()


class Product(nn.Module):
    """A product of a stack of transposed matrices with one matrix: folded if the matrix requires a gradient."""

    def __init__(self, *, trainable, computed, first):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(6, 6), requires_grad=trainable)
        self.computed, self.first = computed, first

    def forward(self, x):
        weight = self.weight * 2 if self.computed else self.weight.t()
        return weight @ x if self.first else x.transpose(1, 2) @ weight


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("computed", [True, False])
def test_products_are_folded_as_in_the_own_call(computed, first):
    for trainable in (True, False, True):
        expected, found = ways(Product(trainable=trainable, computed=computed, first=first), torch.randn(5, 6, 6))
        assert found == dict.fromkeys(found, expected)


def test_t5_with_labels():
    transformers = pytest.importorskip("transformers")
    from flopsight.sources.torchvision_operators import torchvision_importable

    with torchvision_importable():
        config = transformers.T5Config(
            vocab_size=100, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0
        )
        model = transformers.T5ForConditionalGeneration(config).eval()
    ids = torch.arange(3, 17).reshape(2, 7)
    given = {"input_ids": ids, "labels": ids}
    with Profiler() as profiler:
        model(**given)
    exact = profiler.profile.total("exact")
    assert profile(model, given).total("exact") == exact
    assert profile(model, given, execute=True).total("exact") == exact
    assert profile(model, given, backward=True).total("exact", phase="forward") == exact
    with torch.no_grad(), Profiler() as profiler:
        model(**given)
    with torch.no_grad():
        assert profile(model, given).total("exact") == profiler.profile.total("exact") != exact


def test_the_grad_mode_and_pytorch_are_left_as_they_were():
    from torch._functorch import eager_transforms

    before = eager_transforms.grad_increment_nesting, eager_transforms.jvp_increment_nesting
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            profile(Branch(CHOICES["func.grad"]), (4, 8))
            assert torch.is_grad_enabled() is grad
    assert (eager_transforms.grad_increment_nesting, eager_transforms.jvp_increment_nesting) == before
    with pytest.raises(ModelError):
        profile(Branch(lambda m, x, y: 1 / 0), (4, 8))
    assert (eager_transforms.grad_increment_nesting, eager_transforms.jvp_increment_nesting) == before


def test_a_view_of_a_parameter_does_not_make_the_run_start_again(monkeypatch):
    class Token(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1, 1, 8))
            self.linear = nn.Linear(8, 8)

        def forward(self, x):
            first, second = self.linear.weight.chunk(2)
            return self.linear(torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)) @ (first + second).t()

    runs = []
    trace = tracer._trace
    monkeypatch.setattr(tracer, "_trace", lambda *args, **named: runs.append(named) or trace(*args, **named))
    fake = profile(Token(), (2, 3, 8))
    assert runs == [{"below_autograd": True, "at_once": True}]
    assert calls(fake) == calls(profile(Token(), (2, 3, 8), execute=True))


def leaf(kind):
    """An input that requires a gradient: itself memory, or a view of memory that does not require one, or a result."""
    if kind == "memory":
        return torch.randn(4, 8).requires_grad_()
    if kind == "view of memory":
        return torch.randn(1, 8).expand(4, 8).requires_grad_()
    return torch.randn(4, 8).requires_grad_() * 2


VIEWED = {
    "itself": lambda m, x, y: x.requires_grad,
    "a view of it": lambda m, x, y: x[:2].requires_grad,
    "a view of a view": lambda m, x, y: x.t()[None].requires_grad,
    "a view, detached": lambda m, x, y: x.detach().t().requires_grad,
    "a copy": lambda m, x, y: x.clone().requires_grad,
    "what is made of it": lambda m, x, y: y.requires_grad,
}


@pytest.mark.parametrize("grad", [True, False], ids=["grad", "no grad"])
@pytest.mark.parametrize("kind", ["memory", "view of memory", "result"])
@pytest.mark.parametrize("asked", VIEWED)
def test_what_a_model_asks_of_views_of_an_input_is_answered_as_in_its_own_call(asked, kind, grad):
    model, x = Branch(VIEWED[asked]), leaf(kind)
    with torch.set_grad_enabled(grad):
        expected, found = ways(model, x)
    assert found == dict.fromkeys(found, expected)
    with torch.set_grad_enabled(grad):
        forward = calls(profile(lambda given: model(given), x))
    assert forward == expected
