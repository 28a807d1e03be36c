"""Expected times are arithmetic on a device of round numbers: 1 TFLOPS, 1 GB/s."""

from __future__ import annotations

from dataclasses import replace

import handmade
import pytest
import torch
from handmade import K, M, N
from torch import nn

import flopsight
from flopsight import Device
from flopsight.analysis.kernels import kernels
from flopsight.calls import PHASES, Operation
from flopsight.cost import Cost, TensorSpec
from flopsight.errors import DeviceError, InputError

F32 = 4
RATE, BANDWIDTH = 1e12, 1e9
PLAIN = Device(
    name="plain",
    kind="gpu",
    rates={"float32": RATE},
    memory_bytes=10**9,
    memory_bytes_per_s=BANDWIDTH,
    power_limit_w=10,
)
LINEAR_BYTES = (M * K + K * N + N + M * N) * F32
RELU_BYTES = 2 * M * N * F32


def compute_bound() -> Operation:
    """A product whose arithmetic takes longer than its bytes."""
    return handmade.linear(4096, 4096, 4096)


def test_a_call_takes_the_longer_of_its_arithmetic_and_its_bytes() -> None:
    found = handmade.classifier().roofline(PLAIN)
    linear, relu = found.rows
    assert (linear.products, linear.others) == ({"float32": 2 * M * K * N}, 0)
    assert (linear.read_bytes, linear.written_bytes) == (LINEAR_BYTES - M * N * F32, M * N * F32)
    assert linear.least_s == pytest.approx(LINEAR_BYTES / BANDWIDTH)
    assert (relu.products, relu.others, relu.nbytes) == ({}, M * N, RELU_BYTES)
    assert (linear.bound, relu.bound) == ("memory", "memory")
    assert found.least_s == pytest.approx((LINEAR_BYTES + RELU_BYTES) / BANDWIDTH)
    assert linear.intensity == 2 * M * K * N / LINEAR_BYTES


def test_products_are_bound_by_arithmetic_where_they_are_large() -> None:
    record = handmade.profile([handmade.module("", "Net")], [(compute_bound(), "")])
    found = record.roofline(replace(PLAIN, memory_bytes_per_s=10 * BANDWIDTH))
    assert found.total.bound == "compute"
    assert found.least_s == 2 * 4096**3 / RATE


def test_modules_add_up_to_the_whole() -> None:
    found = handmade.stack(layers=3).roofline(PLAIN)
    whole, parts = found.by_module(), [f"layers.{index}" for index in range(3)]
    assert whole[""].least_s == pytest.approx(found.least_s)
    assert sum(whole[path].least_s for path in parts) == pytest.approx(found.least_s)
    assert whole["layers.0.fc"].kernels == 1
    assert found.by("module")["layers.0"].kernels == 1  # its own code alone


def test_a_part_of_a_profile_has_a_time_of_its_own() -> None:
    assert handmade.classifier()["act"].roofline(PLAIN).least_s == pytest.approx(RELU_BYTES / BANDWIDTH)


def test_what_a_cache_may_hold_costs_no_memory_time() -> None:
    """The input and result of the activation fit; the linear layer reads its parameters from memory."""
    cached = replace(PLAIN, cache_bytes=M * N * F32)
    found = handmade.classifier().roofline(cached)
    parameters = (N * K + N) * F32
    assert found.parameter_bytes == parameters
    assert found.least_s == pytest.approx(parameters / BANDWIDTH + M * N / RATE)
    assert found.streamed_s == pytest.approx((LINEAR_BYTES + RELU_BYTES) / BANDWIDTH)


def test_what_is_larger_than_the_cache_moves_but_for_what_it_holds() -> None:
    half = replace(PLAIN, cache_bytes=M * N * F32 // 2)
    assert handmade.classifier()["act"].roofline(half).least_s == pytest.approx(RELU_BYTES / 2 / BANDWIDTH)


def test_what_is_in_the_cache_moves_as_fast_as_the_cache_does() -> None:
    fast = replace(PLAIN, cache_bytes=2**20, cache_bytes_per_s=10 * BANDWIDTH)
    assert handmade.classifier()["act"].roofline(fast).least_s == pytest.approx(RELU_BYTES / (10 * BANDWIDTH))


def test_a_repeated_run_may_find_parameters_in_the_cache() -> None:
    found = handmade.classifier().roofline(replace(PLAIN, cache_bytes=100))
    assert found.repeated_s == pytest.approx(found.least_s - 100 / BANDWIDTH)
    all_of_it = handmade.classifier().roofline(replace(PLAIN, cache_bytes=2**20))
    assert all_of_it.repeated_s == pytest.approx(all_of_it.floor_s)
    assert handmade.classifier().roofline(PLAIN).repeated_s == handmade.classifier().roofline(PLAIN).least_s


def test_parameters_are_read_from_memory_once() -> None:
    product = handmade.linear()
    weight, bias = handmade.parameter("weight", N, K, identity=1), handmade.parameter("bias", N, identity=2)
    twice = handmade.profile([handmade.module("", "Linear", weight, bias)], [(product, ""), (product, "")])
    found = twice.roofline(replace(PLAIN, cache_bytes=2**20))
    assert found.least_s == pytest.approx((N * K + N) * F32 / BANDWIDTH + 2 * M * K * N / RATE)


def test_masked_products_are_not_needed() -> None:
    spec = TensorSpec((64, 64))
    half = Operation("mine::causal", "attention", {}, {}, (spec,), Cost(macs=10**9, masked_macs=4 * 10**8), "float32")
    found = handmade.profile([handmade.module("", "Net")], [(half, "")]).roofline(PLAIN)
    assert found.least_s == 2 * 6 * 10**8 / RATE


def test_a_kernel_takes_at_least_its_start() -> None:
    found = handmade.classifier().roofline(PLAIN, launch_s=1e-3)
    assert found.least_s == pytest.approx(2e-3)
    assert found.total.bound == "launch"
    with pytest.raises(InputError, match="launch_s is -1"):
        handmade.classifier().roofline(PLAIN, launch_s=-1)


def test_products_can_be_computed_in_another_dtype() -> None:
    record = handmade.profile([handmade.module("", "Net")], [(compute_bound(), "")])
    faster = replace(PLAIN, rates={"float32": RATE, "tf32": 8 * RATE})
    found = record.roofline(faster, compute_dtype="tf32")
    assert found.total.products == {"tf32": 2 * 4096**3}
    assert found.least_s == pytest.approx(max(2 * 4096**3 / (8 * RATE), found.total.nbytes / BANDWIDTH))
    with pytest.raises(DeviceError, match="no rate for float16; it has float32"):
        record.roofline(PLAIN, compute_dtype="float16")


def test_convolutions_of_float32_may_be_rounded_where_the_device_rounds() -> None:
    spec = TensorSpec((64, 64))
    call = Operation("mine::conv", "convolution", {}, {}, (spec,), Cost(macs=10**9), "float32")
    record = handmade.profile([handmade.module("", "Net")], [(call, "")])
    rounds = replace(PLAIN, rates={"float32": RATE, "tf32": 8 * RATE})
    assert record.roofline(rounds).least_s == 2 * 10**9 / (8 * RATE)
    assert record.roofline(rounds, compute_dtype="float32").least_s == 2 * 10**9 / RATE
    assert record.roofline(PLAIN).least_s == 2 * 10**9 / RATE
    assert record.mfu(1, rounds).model_s == 2 * 10**9 / (8 * RATE)


def test_parameters_of_one_shape_are_each_read_once() -> None:
    first, second = (handmade.parameter(name, N, K, identity=index) for index, name in enumerate("ab"))
    product = handmade.linear()
    record = handmade.profile([handmade.module("", "Two", first, second)], [(product, "")] * 3)
    assert record.roofline(PLAIN).parameter_bytes == 2 * N * K * F32


def test_unknown_operators_take_no_time_and_are_named() -> None:
    record = handmade.profile([handmade.module("", "Net")], [(handmade.unknown(), "")])
    found = record.roofline(PLAIN)
    assert (found.least_s, list(found.record.unknown)) == (0.0, ["mylib::scan"])
    assert "the time of mylib::scan is missing" in str(found)


def test_fused_calls_read_and_write_once() -> None:
    """A linear layer and its activation: what is between them is neither written nor read."""
    (kernel,) = kernels(handmade.classifier(), fused=True)
    assert [call.operation.name for call in kernel.calls] == ["aten::addmm", "aten::relu"]
    assert (kernel.parameter_bytes, kernel.read_bytes) == ((N * K + N) * F32, M * K * F32)
    assert kernel.written_bytes == M * N * F32
    found = handmade.classifier().roofline(PLAIN, fused=True)
    assert found.least_s == pytest.approx(LINEAR_BYTES / BANDWIDTH)


def test_what_is_viewed_between_fused_calls_is_not_read_either() -> None:
    class Viewing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x + 1).view(8, 4).exp()

    (kernel,) = kernels(flopsight.profile(Viewing(), (4, 8)), fused=True)
    assert (kernel.read_bytes, kernel.written_bytes) == (4 * 8 * F32, 4 * 8 * F32)


def test_of_several_results_the_largest_is_written_where_calls_are_fused() -> None:
    """A norm returns means and deviations too, which nobody may want."""
    net = nn.Sequential(nn.ReLU(), nn.LayerNorm(8, elementwise_affine=False))
    (kernel,) = kernels(flopsight.profile(net, (4, 8)), fused=True)
    assert (kernel.read_bytes, kernel.written_bytes) == (4 * 8 * F32, 4 * 8 * F32)
    *_, norm = kernels(flopsight.profile(net, (4, 8)))
    assert norm.written_bytes == (4 * 8 + 4 + 4) * F32


def test_a_fused_kernel_has_one_product_and_one_phase() -> None:
    linear, relu = handmade.linear(), handmade.relu(M, N)
    backward = PHASES.index("backward")
    calls = [(relu, ""), (linear, ""), (relu, ""), (linear, ""), (relu, ""), (relu, "", backward)]
    made = kernels(handmade.profile([handmade.module("", "Net")], calls), fused=True)
    assert [len(kernel.calls) for kernel in made] == [3, 2, 1]


@pytest.mark.parametrize("backward", [False, True])
def test_fused_never_takes_longer(backward: bool) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14 * 14, 10))
    record = flopsight.profile(net, (2, 3, 16, 16), backward=backward)
    eager, fused = record.roofline("h100-sxm"), record.roofline("h100-sxm", fused=True)
    assert fused.least_s <= eager.least_s
    assert fused.total.nbytes < eager.total.nbytes
    assert fused.total.operations == eager.total.operations
    assert fused.streamed_s <= eager.streamed_s
    assert eager.least_s <= eager.streamed_s


def test_an_empty_run_takes_no_time() -> None:
    found = handmade.empty().roofline(PLAIN)
    assert (found.least_s, found.total.bound, found.total.intensity) == (0.0, "", 0.0)
    assert "Least time: 0," in str(found)
    assert found.joules == 0
