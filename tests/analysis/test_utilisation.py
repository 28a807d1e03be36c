from __future__ import annotations

from dataclasses import replace

import handmade
import pytest
from handmade import K, M, N

from flopsight import Device
from flopsight.calls import PHASES
from flopsight.errors import ConventionError, DeviceError, InputError
from flopsight.profiles import Profile

MACS = M * K * N
DEVICE = Device(name="d", kind="gpu", rates={"float32": 1e6}, memory_bytes=1, memory_bytes_per_s=1.0, vector_rate=1e5)


def trained() -> Profile:
    """A forward, its recomputation, and twice as much in backward."""
    phases = ("forward", "recompute", "backward", "backward")
    calls = [(handmade.linear(), "", PHASES.index(phase)) for phase in phases]
    return handmade.profile([handmade.module("", "Linear")], calls)


def test_recomputation_uses_the_hardware_and_not_the_model() -> None:
    used = trained().mfu(0.5, DEVICE)
    assert used.model_operations == 3 * 2 * MACS
    assert used.hardware_operations == 4 * 2 * MACS
    assert used.mfu == pytest.approx(3 * 2 * MACS / 1e6 / 0.5)
    assert used.hfu == pytest.approx(4 * 2 * MACS / 1e6 / 0.5)


def test_a_convention_says_what_counts() -> None:
    assert trained().mfu(1, DEVICE, convention="macs").model_operations == 3 * 2 * MACS
    assert trained().mfu(1, DEVICE, convention="linear").model_operations == 3 * 2 * MACS  # a bias for each result
    with pytest.raises(ConventionError, match="no convention 'flop'"):
        trained().mfu(1, DEVICE, convention="flop")


def test_what_is_no_contraction_goes_by_the_vector_rate() -> None:
    used = handmade.classifier().mfu(1, DEVICE, convention="exact")
    assert used.model_s == pytest.approx(2 * MACS / 1e6 + M * N / 1e5)


def test_it_says_which_convention_and_device() -> None:
    said = str(trained().mfu(0.01, replace(DEVICE, rates={"float32": 1e7})))
    assert said.startswith("MFU 3.1%, HFU 4.1% of d (convention flops): 3.072 k operations of the model and 4.096 k")


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "1"])
def test_a_time_is_needed(seconds: object) -> None:
    with pytest.raises(InputError, match="give the time of one run"):
        trained().mfu(seconds, DEVICE)  # type: ignore[arg-type]


def test_a_dtype_without_a_rate_is_refused() -> None:
    with pytest.raises(DeviceError, match="no rate for float32"):
        trained().mfu(1, "tpu-v4")
    assert trained().mfu(1, "tpu-v4", compute_dtype="bfloat16").model_s == pytest.approx(3 * 2 * MACS / 275e12)
