from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from flopsight.sources._weightless import LARGE_ELEMS, _Weightless, build


class Mixed(nn.Module):
    """Weights made in the usual ways, beside constants that the constructor computes on and reads."""

    def __init__(self, width: int = 512) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.table = nn.Parameter(torch.randn(width, width) * 0.02)
        self.norm = nn.BatchNorm1d(width)
        self.rates = [rate.item() for rate in torch.linspace(0, 0.5, 3)]
        self.register_buffer("positions", torch.arange(width)[None])
        nn.init.trunc_normal_(self.fc.weight, std=0.02)
        with torch.no_grad():
            self.fc.bias.copy_(torch.linspace(0, 1, width))
            self.table.add_(self.fc.weight + torch.eye(width))


def test_weights_have_no_storage_and_constants_are_real() -> None:
    model = build(Mixed)
    assert {name for name, p in model.named_parameters() if not p.is_meta} == {"token"}
    assert model.rates == [0.0, 0.25, 0.5]
    assert model.positions.tolist() == [list(range(512))]
    assert not model.norm.running_var.is_meta


def test_shapes_dtypes_and_training_flags_are_those_of_the_real_model() -> None:
    def facts(model: nn.Module) -> list[object]:
        return [(n, p.shape, p.dtype, p.stride(), p.requires_grad, type(p)) for n, p in model.named_parameters()]

    assert facts(build(Mixed)) == facts(Mixed())


def test_real_models_are_real() -> None:
    assert not any(p.is_meta for p in build(Mixed, real=True).parameters())


def test_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    build(Mixed)
    build(Mixed, real=True)
    assert torch.equal(before, torch.get_rng_state())


def test_a_weight_larger_than_memory_costs_nothing() -> None:
    assert build(nn.Linear, {"in_features": 10**8, "out_features": 10**8}).weight.numel() == 10**16
    assert build(lambda: torch.ones(10**8, 10**8)).is_meta


@pytest.mark.parametrize("make", [torch.zeros, torch.ones, torch.rand, torch.randn])
def test_large_filled_tensors_are_weights_small_ones_constants(make) -> None:
    assert build(lambda: make(LARGE_ELEMS)).is_meta
    assert not build(lambda: make(LARGE_ELEMS - 1)).is_meta
    assert not build(lambda: torch.ones(LARGE_ELEMS, dtype=torch.bool)).is_meta


def test_initialising_a_weight_runs_no_kernel() -> None:
    weight = torch.empty(2, device="meta")
    refuse = SimpleNamespace(_schema=SimpleNamespace(name="aten::uniform_"))  # cannot be called
    assert _Weightless().__torch_dispatch__(refuse, (), (weight, 0.0, 1.0)) is weight


def test_reshaping_in_place_works() -> None:
    assert build(lambda: torch.empty(3, 4).t_()).shape == (4, 3)
    assert build(lambda: torch.empty(3, 1).squeeze_(1)).shape == (3,)


def test_a_constructor_that_reads_weights_gets_real_ones() -> None:
    class Reads(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 2)
            self.largest = self.weight.abs().max().item()

    model = build(Reads)
    assert not model.weight.is_meta
    assert model.largest == model.weight.abs().max().item()


def _told_otherwise() -> None:
    try:
        torch.empty(2).tolist()
    except Exception as error:
        raise ValueError("weights of the wrong kind") from error


READS: list[Callable[[], object]] = [
    lambda: torch.empty(2)[0].item(),
    lambda: torch.empty(2).tolist(),
    lambda: torch.empty(2).numpy(),
    lambda: bool(torch.empty(1)),
    lambda: torch.empty(2).nonzero(),
    lambda: torch.distributions.Normal(torch.empty(2).fill_(0.0), 1.0, validate_args=True),  # Dynamo turns it off
    _told_otherwise,
]


@pytest.mark.parametrize("read", READS)
def test_what_fails_for_want_of_values_is_made_again(read: Callable[[], object]) -> None:
    def make() -> nn.Module:
        tries.append(1)
        read()
        return nn.Linear(2, 2)

    tries: list[int] = []
    assert not build(make).weight.is_meta
    assert len(tries) == 2


@pytest.mark.parametrize("error", [KeyError("kind"), TypeError("no subscript"), ValueError("no kind metaclip_2")])
def test_what_fails_otherwise_is_not_made_with_all_its_weights(error: Exception) -> None:
    def make() -> nn.Module:
        tries.append(1)
        raise error

    tries: list[int] = []
    with pytest.raises(type(error)):
        build(make)
    assert len(tries) == 1


def test_the_constructors_own_error_is_raised() -> None:
    with pytest.raises(TypeError, match="missing 2 required"):
        build(nn.Linear)


def test_building_is_quick() -> None:
    def deep() -> nn.Module:
        return nn.Sequential(*(nn.Sequential(nn.Conv2d(512, 512, 3), nn.BatchNorm2d(512)) for _ in range(50)))

    assert cpu_seconds(lambda: build(deep)) < cpu_seconds(lambda: build(deep, real=True)) / 3


def cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start
