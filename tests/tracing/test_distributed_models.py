"""Models of several processes are profiled in one, and the next real step is as if they had not been."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel
from torch.testing._internal.distributed.fake_pg import FakeStore

import flopsight

INPUT = torch.randn(4, 16)
pytestmark = pytest.mark.filterwarnings("ignore:DTensor random operators")
FORWARD = 4 * 16 * 16 + 4 * 16 * 8
BACKWARD = FORWARD + 4 * 16 * 8
"""The gradients of both weights, and of the first layer's output; the input needs none."""


@pytest.fixture
def mesh() -> Iterator[DeviceMesh]:
    dist.init_process_group("fake", rank=0, world_size=4, store=FakeStore())
    yield init_device_mesh("cpu", (4,))
    dist.destroy_process_group()


@pytest.fixture
def _alone() -> Iterator[None]:
    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    yield
    dist.destroy_process_group()


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 8))


def sharded(mesh: DeviceMesh, **options: Any) -> nn.Sequential:
    if not hasattr(torch.cpu.Stream, "record_event"):
        pytest.skip(f"FSDP2 of PyTorch {torch.__version__} does not run on a CPU")
    model = network()
    fully_shard(model[0], mesh=mesh, **options)
    fully_shard(model, mesh=mesh, **options)
    return model


def step(model: nn.Module) -> None:
    model(INPUT).sum().backward()


def ran_before(model: nn.Module, how: str) -> None:
    if how == "after a forward":
        model(INPUT)
    elif how == "after a step":
        step(model)


def gathered(model: nn.Module) -> list[Any]:
    """What of the parameters is gathered, and how much memory holds it."""
    found: list[Any] = []
    for module in (model[0], model):
        group = module._get_fsdp_state()._fsdp_param_group
        for parameter in group.fsdp_params:
            sizes = [t.untyped_storage().size() for t in parameter.all_gather_outputs]
            found.append((parameter.sharded_state, group._sharded_state, group._training_state, sizes))
    return found


BEFORE = pytest.mark.parametrize("before", ["cold", "after a forward", "after a step"])


@BEFORE
@pytest.mark.parametrize("execute", [False, True], ids=["fake", "execute"])
def test_a_forward_leaves_fsdp_as_it_was(mesh: DeviceMesh, before: str, execute: bool) -> None:
    model = sharded(mesh)
    ran_before(model, before)
    parameters, state = list(model.parameters()), gathered(model)
    assert flopsight.profile(model, INPUT, execute=execute).macs == FORWARD
    assert all(now is then for now, then in zip(model.parameters(), parameters, strict=True))
    assert gathered(model) == state
    for _ in range(2):
        step(model)


@BEFORE
def test_a_backward_leaves_fsdp_fit_for_the_next_step(mesh: DeviceMesh, before: str) -> None:
    model = sharded(mesh)
    ran_before(model, before)
    found = flopsight.profile(model, INPUT, backward=True)
    assert (found.total("macs", phase="forward"), found.total("macs", phase="backward")) == (FORWARD, BACKWARD)
    for _ in range(2):
        step(model)
    assert all(type(p.grad.to_local()) is torch.Tensor for p in model.parameters())


def test_fsdp_can_be_applied_further_after_a_profile(mesh: DeviceMesh) -> None:
    inner = sharded(mesh)
    hooks = len(inner._state_dict_pre_hooks)
    flopsight.profile(inner, INPUT)
    assert len(inner._state_dict_pre_hooks) == hooks
    outer = nn.Sequential(inner)
    fully_shard(outer, mesh=mesh)
    step(outer)


def test_a_failing_forward_leaves_fsdp_as_it_was(mesh: DeviceMesh) -> None:
    model = sharded(mesh)
    state = gathered(model)
    with pytest.raises(flopsight.errors.ModelError):
        flopsight.profile(model, (4, 17))
    assert gathered(model) == state
    step(model)


def test_a_function_around_fsdp(mesh: DeviceMesh) -> None:
    model = sharded(mesh)
    assert flopsight.profile(lambda x: model(x) * 2, INPUT).macs == FORWARD
    step(model)


def test_a_cold_fsdp_model_counts_as_its_original_in_a_warm_one(mesh: DeviceMesh) -> None:
    cold, warm = sharded(mesh, reshard_after_forward=True), sharded(mesh, reshard_after_forward=True)
    warm(INPUT)
    assert flopsight.profile(cold, INPUT).cost == flopsight.profile(warm, INPUT).cost


def wrapped(**options: Any) -> DistributedDataParallel:
    model = network()
    model.append(nn.BatchNorm1d(8))
    return DistributedDataParallel(model, **options)


DDP_OPTIONS = pytest.mark.parametrize(
    "options",
    [{}, {"find_unused_parameters": True}, {"gradient_as_bucket_view": True}],
    ids=["plain", "find_unused_parameters", "gradient_as_bucket_view"],
)


@pytest.mark.usefixtures("_alone")
@DDP_OPTIONS
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_the_backward_of_ddp_is_counted_and_the_next_steps_are_as_without(options: Any, steps: int) -> None:
    model, other = wrapped(**options), wrapped(**options)
    for each in (model, other):
        for _ in range(steps):
            step(each)
    found = flopsight.profile(model, INPUT, backward=True)
    assert (found.total("macs", phase="forward"), found.total("macs", phase="backward")) == (FORWARD, BACKWARD)
    for _ in range(2):
        step(model)
        step(other)
        for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
            assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.usefixtures("_alone")
def test_ddp_that_waits_for_gradients_of_the_user_says_so_and_still_gets_them() -> None:
    model, other = wrapped(), wrapped()
    loss, expected = model(INPUT).sum(), other(INPUT).sum()
    with pytest.raises(flopsight.errors.InputError, match="run that backward first"):
        flopsight.profile(model, INPUT, backward=True)
    for each in (loss, expected):
        each.backward()
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)
    step(model)


@pytest.mark.usefixtures("_alone")
def test_a_real_step_of_ddp_and_its_executed_profile_join_gradients() -> None:
    model = wrapped()
    joined = flopsight.profile(model, INPUT, backward=True, execute=True).by_operator()["c10d::allreduce_"]
    elements = sum(p.numel() for p in model.parameters())
    assert joined.cost.add == elements
    step(model)


def parallel(mesh: DeviceMesh) -> nn.Module:
    """Each of four processes holds a quarter of the hidden features."""
    return parallelize_module(network(), mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})


@BEFORE
@pytest.mark.parametrize("execute", [False, True], ids=["fake", "execute"])
def test_a_tensor_parallel_model_is_counted_by_the_work_of_one_process(
    mesh: DeviceMesh, before: str, execute: bool
) -> None:
    model = parallel(mesh)
    ran_before(model, before)
    forward = 4 * 16 * (16 // 4) + 4 * (16 // 4) * 8
    for _ in range(2):
        found = flopsight.profile(model, INPUT, execute=execute)
        assert found.macs == forward
        assert found.by_operator()["_c10d_functional::all_reduce"].cost.add == 4 * 8
        found = flopsight.profile(model, INPUT, backward=True, execute=execute)
        assert found.total("macs", phase="forward") == forward
        assert found.total("macs", phase="backward") == forward + 4 * (16 // 4) * 8
    model.zero_grad()
    step(model)
    assert all(type(p.grad.to_local()) is torch.Tensor for p in model.parameters())


def test_a_step_of_a_tensor_parallel_model_under_a_profiler(mesh: DeviceMesh) -> None:
    model = parallel(mesh)
    with flopsight.Profiler() as profiler:
        step(model)
    executed = flopsight.profile(model, INPUT, backward=True)
    assert profiler.profile.macs == executed.macs


@pytest.mark.parametrize("execute", [False, True], ids=["fake", "execute"])
def test_a_distributed_tensor_as_input(mesh: DeviceMesh, execute: bool) -> None:
    rows = distribute_tensor(torch.randn(16, 32), mesh, [Shard(0)])
    found = flopsight.profile(lambda x: x.T @ x, rows, execute=execute)
    assert found.macs == 32 * (16 // 4) * 32
