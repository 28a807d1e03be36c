"""The figures of `published.json`, held to how the chips are built and to each other.

A figure that is copied twice is the same mistake twice, so most of these are worked out anew: units by clock by width.
"""

from __future__ import annotations

import re
from datetime import date

import pytest

from flopsight import Device, devices

T, G, GIB = 10**12, 10**9, 2**30
DEVICES = [Device.get(name) for name in devices.names()]
NVIDIA = [device for device in DEVICES if device.title.startswith("NVIDIA")]
SPARSE = [device for device in DEVICES if device.sparse_rates]
ROUNDING = 0.015
"""How far a figure that is rounded before it is printed may be from what it is worked out to."""

each = pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
each_sparse = pytest.mark.parametrize("device", SPARSE, ids=lambda device: device.name)
each_gpu = pytest.mark.parametrize("device", [d for d in DEVICES if d.kind == "gpu"], ids=lambda device: device.name)


@each
def test_each_says_where_its_figures_are_from(device: Device) -> None:
    assert device.title
    assert re.search(r"https://[\w.-]+/\S", device.source), device.source
    assert device.kind == "cpu" or device.power_limit_w or device.name.startswith("tpu")


@each
def test_no_source_is_of_the_future(device: Device) -> None:
    assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", device.date)
    assert device.date <= f"{date.today():%Y-%m}"


@each_gpu
def test_memory_is_what_the_name_says_in_binary_gigabytes(device: Device) -> None:
    """Makers write GB for 2**30 bytes of memory: an A100 of 80 GB has 81,920 MiB, as nvidia-smi tells."""
    size = re.search(r"(\d+) GB$", device.title)
    assert size and device.memory_bytes == int(size[1]) * GIB


@each_sparse
def test_rates_with_sparsity_are_kept_apart_and_are_twice_the_dense_ones(device: Device) -> None:
    assert set(device.sparse_rates) == set(device.rates) - {"float64", "float32"}
    for dtype, rate in device.sparse_rates.items():
        assert rate == pytest.approx(2 * device.rates[dtype], rel=ROUNDING), dtype


TENSOR_CORES = {"tf32": 1 / 2, "float16": 1, "bfloat16": 1, "float8": 2, "int8": 2}
GEFORCE = {**TENSOR_CORES, "int8": 4}
"""Half the rate where sums are of floating point, in float32; those of integers are not slowed."""


@pytest.mark.parametrize("device", [d for d in NVIDIA if "bfloat16" in d.rates], ids=lambda device: device.name)
def test_rates_of_tensor_cores_double_as_numbers_halve(device: Device) -> None:
    ladder = GEFORCE if "GeForce" in device.title else TENSOR_CORES
    for dtype, times in ladder.items():
        if dtype in device.rates:
            assert device.rates[dtype] == pytest.approx(times * device.rates["bfloat16"], rel=ROUNDING), dtype


MADE_OF = {
    # units, then for products in float16 and for all else in float32: multiply-adds a clock in a unit, GHz. The clock
    # that the B200's rate of products is for is not published.
    "v100-sxm": (80, (512, 1.53), (64, 1.53)),
    "v100-pcie": (80, (512, 1.38), (64, 1.38)),
    "a100-sxm-40gb": (108, (1024, 1.41), (64, 1.41)),
    "a100-pcie-40gb": (108, (1024, 1.41), (64, 1.41)),
    "a100-sxm": (108, (1024, 1.41), (64, 1.41)),
    "a100-pcie": (108, (1024, 1.41), (64, 1.41)),
    "h100-sxm": (132, (2048, 1.83), (128, 1.98)),
    "h100-pcie": (114, (2048, 1.62), (128, 1.755)),
    "h200-sxm": (132, (2048, 1.83), (128, 1.98)),
    "l4": (58, (512, 2.04), (128, 2.04)),
    "l40s": (142, (512, 2.52), (128, 2.52)),
    "a10": (72, (512, 1.695), (128, 1.695)),
    "t4": (40, (512, 1.59), (64, 1.59)),
    "rtx-3090": (82, (256, 1.695), (128, 1.695)),
    "rtx-4090": (128, (256, 2.52), (128, 2.52)),
    "mi250x": (220, (512, 1.7), (128, 1.7)),
    "mi300x": (304, (1024, 2.1), (128, 2.1)),
}


@pytest.mark.parametrize("name", MADE_OF)
def test_rates_are_units_by_clock_by_multiply_adds(name: str) -> None:
    device = Device.get(name)
    units, (products, product_clock), (others, other_clock) = MADE_OF[name]
    assert device.rates["float16"] == pytest.approx(units * products * 2 * product_clock * G, rel=ROUNDING)
    assert device.other_rate == pytest.approx(units * others * 2 * other_clock * G, rel=ROUNDING)


MEMORY = {
    # bits, Gbit/s of each
    "v100-sxm": (4096, 1.754),
    "v100-pcie": (4096, 1.754),
    "a100-sxm-40gb": (5120, 2.43),
    "a100-pcie-40gb": (5120, 2.43),
    "a100-sxm": (5120, 3.186),
    "a100-pcie": (5120, 3.024),
    "h100-sxm": (5120, 5.238),
    "h100-pcie": (5120, 3.186),
    "b200": (7680, 7.992),
    "l4": (192, 12.5),
    "l40s": (384, 18),
    "a10": (384, 12.5),
    "t4": (256, 10),
    "rtx-3090": (384, 19.5),
    "rtx-4090": (384, 21),
    "mi250x": (8192, 3.2),
    "mi300x": (8192, 5.2),
    "xeon-8480": (8 * 64, 4.8),
    "epyc-9654": (12 * 64, 4.8),
}


@pytest.mark.parametrize("name", MEMORY)
def test_bandwidth_is_width_by_rate(name: str) -> None:
    bits, rate = MEMORY[name]
    assert Device.get(name).memory_bytes_per_s == pytest.approx(bits / 8 * rate * G, rel=0.005)


@pytest.mark.parametrize(
    ("name", "bytes_a_clock", "ghz"),
    [
        ("v100-sxm", 2048, 1.53),
        ("v100-pcie", 2048, 1.38),
        ("a100-sxm", 5120, 1.41),
        ("h100-sxm", 5120, 1.98),
        ("h100-pcie", 5120, 1.755),
        ("h200-sxm", 5120 * 60 / 50, 1.98),
        ("mi300x", 128 * 64, 2.1),
    ],
)
def test_the_speed_of_a_cache_is_bytes_a_clock_by_the_clock_of_that_card(
    name: str, bytes_a_clock: float, ghz: float
) -> None:
    assert Device.get(name).cache_bytes_per_s == pytest.approx(bytes_a_clock * ghz * G, rel=0.001)


@each
def test_a_cache_is_faster_and_smaller_than_memory(device: Device) -> None:
    assert 0 < device.cache_bytes < device.memory_bytes / 50
    if device.cache_bytes_per_s is not None:
        assert 2 < device.cache_bytes_per_s / device.memory_bytes_per_s < 6


@each
def test_a_byte_of_memory_is_worth_as_many_operations_as_on_other_machines(device: Device) -> None:
    """Where products begin to be bound by the rate and not by memory, in operations a byte."""
    ridges = {dtype: rate / device.memory_bytes_per_s for dtype, rate in device.rates.items()}
    for dtype, (least, most) in {"float32": (9, 110), "bfloat16": (45, 720), "float16": (70, 420)}.items():
        if dtype in ridges:
            assert least < ridges[dtype] < most, dtype


def test_rates_of_processors_are_cores_by_clock_by_operations_a_cycle() -> None:
    """AMX: tiles of 16 rows of 64 bytes; the product of two takes 16 cycles. Zen 4: one 512-bit instruction a cycle."""
    xeon, xeon_clocks = Device.get("xeon-8480").rates, 56 * 3.8e9
    assert xeon["float32"] == pytest.approx(xeon_clocks * 2 * 16 * 2)
    assert xeon["bfloat16"] == pytest.approx(xeon_clocks * 16 * 16 * (64 // 2) / 16 * 2)
    assert xeon["int8"] == pytest.approx(xeon_clocks * 16 * 16 * 64 / 16 * 2)
    epyc, epyc_clocks = Device.get("epyc-9654").rates, 96 * 3.7e9
    assert epyc["float32"] == pytest.approx(epyc_clocks * 16 * 2)
    assert epyc["bfloat16"] == pytest.approx(epyc_clocks * (512 // 16) * 2)
    assert epyc["int8"] == pytest.approx(epyc_clocks * (512 // 8) * 2)


def test_rates_of_tensor_processing_units_are_of_a_chip() -> None:
    """Units of 128 by 128 multiply-adds: four in each core, of which the v4 and v5p have two."""
    for name, units, ghz in (("tpu-v4", 8, 1.05), ("tpu-v5e", 4, 1.5), ("tpu-v5p", 8, 1.75)):
        assert Device.get(name).rates["bfloat16"] == pytest.approx(units * 128 * 128 * 2 * ghz * G, rel=ROUNDING)


def test_interconnects_are_links_in_both_directions() -> None:
    for name, links, one_way in (
        ("v100-sxm", 6, 25 * G),
        ("a100-sxm", 12, 25 * G),
        ("h100-sxm", 18, 25 * G),
        ("b200", 18, 50 * G),
        ("rtx-3090", 4, 14.0625 * G),
        ("mi250x", 8, 50 * G),
        ("mi300x", 7, 64 * G),
        ("tpu-v5e", 4, 50 * G),
        ("tpu-v5p", 6, 100 * G),
    ):
        assert Device.get(name).interconnect_bytes_per_s == pytest.approx(links * one_way * 2), name


def test_figures_of_the_datasheets() -> None:
    """Dense products: half of what the H100's datasheet gives with sparsity; the A100's as they stand there."""
    h100, a100 = Device.get("h100-sxm"), Device.get("a100-sxm")
    assert (h100.rates["bfloat16"], h100.rates["float8"]) == (1979 * T / 2, 3958 * T / 2)
    assert (a100.rates["bfloat16"], a100.rates["tf32"], a100.rates["float32"]) == (312 * T, 156 * T, 19.5 * T)
    assert (h100.memory_bytes_per_s, a100.memory_bytes_per_s) == (3350 * G, 2039 * G)
