"""What a run found in a model is found again by the next, and only while the model holds the same."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn

from flopsight import profile
from flopsight.tracing import inventory
from flopsight.tracing.inventory import inventory_of


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.last = nn.Linear(4, 4)

    def forward(self, x):
        return self.last(self.norm(self.first(x))), (x[0] + self.first.weight).reshape(-1)


def described(p):
    nodes = [(node.path, node.kind, node.parameters, node.calls) for node in p.modules.values()]
    return nodes, p.params, p.macs, [(call.operation.operator, call.module) for call in p]


def another_weight(net):
    net.first.weight = nn.Parameter(torch.zeros(4, 4))


def another_size(net):
    net.last = nn.Linear(4, 8)


def other_strides(net):
    net.first.weight.data = torch.zeros(4, 4).t()


def frozen(net):
    net.first.requires_grad_(False)


def tied(net):
    net.last.weight = net.first.weight


def a_module_more(net):
    net.add_module("more", nn.ReLU())


def a_module_less(net):
    del net.norm
    net.norm = nn.Identity()


def a_buffer_more(net):
    net.register_buffer("more", torch.zeros(3))


def another_class(net):
    net.norm.__class__ = type("Mine", (nn.BatchNorm1d,), {})


def no_bias(net):
    net.first.bias = None


CHANGES = [
    another_weight, another_size, other_strides, frozen, tied, a_module_more, a_module_less, a_buffer_more,
    another_class, no_bias,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_since_the_last_run_is_seen(change):
    net = Net().eval()
    profile(net, (2, 4))
    profile(net, (2, 4))
    change(net)
    found = described(profile(net, (2, 4)))
    inventory._INVENTORIES.clear()
    assert found == described(profile(net, (2, 4)))


class Holder(nn.Module):
    """Holds what it is given."""

    def forward(self, x):
        return x


def test_a_parameter_that_moved_to_the_next_module_is_seen():
    net, weight = nn.Sequential(Holder(), Holder()), nn.Parameter(torch.zeros(4))
    net[0].weight = weight
    for _ in range(3):
        profile(net, (2, 4))
    del net[0].weight
    net[1].weight = weight
    found = profile(net, (2, 4))
    assert (int(found["0"].params), int(found["1"].params)) == (0, 4)


def test_a_model_that_changed_its_dtype():
    net = nn.Sequential(nn.Linear(4, 4))
    profile(net, (2, 4))
    profile(net, (2, 4))
    assert {op.dtype for op in profile(net.double(), (2, 4)).operations if op.cost.macs} == {"float64"}


def test_the_same_model_is_found_again(monkeypatch):
    net = Net().eval()
    profile(net, (2, 4))
    before = described(profile(net, (2, 4)))
    monkeypatch.setattr("flopsight.tracing.modules.Modules.adopt", None)
    assert described(profile(net, (2, 4))) == before


def test_nothing_of_the_model_is_kept_alive():
    net = Net().eval()
    profile(net, (2, 4))
    profile(net, (2, 4))
    whole, weight, part = weakref.ref(net), weakref.ref(net.first.weight), weakref.ref(net.norm)
    net.norm = net.first = nn.Identity()
    gc.collect()
    assert part() is None
    assert weight() is None
    assert inventory_of(net) is not None
    key = id(net)
    del net
    gc.collect()
    assert whole() is None
    assert key not in inventory._INVENTORIES


def test_a_model_that_is_run_once_has_none():
    net = Net().eval()
    profile(net, (2, 4))
    assert inventory_of(net) is None
    profile(net, (2, 4))
    assert inventory_of(net) is not None


def test_no_tensor_gets_a_weak_reference():
    """`torch.utils.swap_tensors` refuses those that have one."""
    net = Net().eval()
    profile(net, (2, 4))
    profile(net, (2, 4))
    assert not any(map(weakref.getweakrefcount, net.state_dict(keep_vars=True).values()))
    torch.utils.swap_tensors(net.first.weight, nn.Parameter(torch.zeros(4, 4)))


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("make", [
    lambda: torch.jit.script(nn.Sequential(nn.Linear(4, 4))),
    lambda: nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 4)),
    lambda: torch.compile(nn.Sequential(nn.Linear(4, 4))),
])  # fmt: skip
def test_models_of_which_more_has_to_be_known_have_none(make):
    model = make()
    if any(isinstance(module, nn.LazyLinear) for module in model.modules()):
        model(torch.zeros(2, 4))
        expected = 2 * 2 * 4 * 4
    else:
        expected = 2 * 4 * 4
    assert profile(model, (2, 4)).macs == profile(model, (2, 4)).macs == expected
