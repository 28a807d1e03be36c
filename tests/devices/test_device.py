from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flopsight import Device
from flopsight.errors import DeviceError

T = 10**12


def device(**facts: object) -> Device:
    """A device of round numbers."""
    return Device(
        **{
            "name": "made-up",
            "kind": "gpu",
            "rates": {"float32": 1e12, "bfloat16": 8e12},
            "memory_bytes": 10**9,
            "memory_bytes_per_s": 1e9,
            **facts,
        }
    )


def test_names_are_found_however_they_are_written_and_unknown_ones_have_near_matches() -> None:
    assert Device.get("H100 SXM") is Device.get("h100_sxm") is Device.get("h100-sxm")
    with pytest.raises(DeviceError, match=r"no device 'h100'.* Did you mean 'h100-sxm' or 'h100-pcie'"):
        Device.get("h100")


def test_a_dtype_goes_by_its_own_rate_or_by_that_of_its_parts() -> None:
    made = device(rates={"float32": 1e12, "float16": 2e12, "float8": 4e12, "int8": 8e12}, vector_rate=5e11)
    assert made.rate("float32") == made.rate("complex64") == 1e12
    assert made.rate("complex32") == 2e12
    assert made.rate("float8_e4m3fn") == 4e12
    assert made.rate("int8") == made.rate("quint8") == 8e12
    assert made.rate("int64") == made.rate("bool") == 5e11


def test_a_dtype_without_a_rate_is_refused_with_those_there_are() -> None:
    for dtype in ("float64", "float16", "int8"):
        with pytest.raises(DeviceError, match=rf"made-up has no rate for {dtype}; it has float32, bfloat16\. Say"):
            device().rate(dtype)


def test_everything_else_goes_by_the_vector_rate_or_float32_or_the_largest() -> None:
    assert device(vector_rate=3e11).other_rate == 3e11
    assert device().other_rate == 1e12
    assert Device.get("tpu-v4").other_rate == 275 * T


def test_a_device_is_saved_and_loaded(tmp_path: Path) -> None:
    made = device(cache_bytes=2**20, power_limit_w=300, source="here", date="2026-01")
    made.save(tmp_path / "device.json")
    assert Device.load(tmp_path / "device.json") == made


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"kind": "abacus"}, "kind 'abacus'; there are gpu, tpu, cpu"),
        ({"rates": {"float33": 1.0}}, "rate for 'float33'.*Did you mean 'float32'"),
        ({"rates": {"float32": 0}}, "has 0 where a number above 0"),
        ({"rates": {}}, "has no rate"),
        ({"memory_bytes_per_s": float("nan")}, "has nan where"),
        ({"cache_bytes": -1}, "a cache of -1 bytes"),
    ],
)
def test_what_no_machine_has_is_refused(facts: dict[str, object], said: str) -> None:
    with pytest.raises(DeviceError, match=said):
        device(**facts)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no device's file"),
        ("[]", "holds no JSON object"),
        ('{"name": "x"}', "lacks 'kind'"),
        ('{"name": "x", "kind": "cpu", "rate": {}}', "has 'rate'.*Did you mean 'rates'"),
        ('{"name": "x", "kind": "cpu", "rates": 1, "memory_bytes": 1, "memory_bytes_per_s": 1}', "are a table"),
    ],
)
def test_a_file_that_is_no_device_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DeviceError, match=said):
        Device.load(tmp_path / "x.json")


def test_a_device_cannot_be_changed_and_says_what_it_has_alone() -> None:
    with pytest.raises(AttributeError):
        device().name = "other"  # type: ignore[misc]
    assert set(device().to_dict()) == {"name", "kind", "rates", "memory_bytes", "memory_bytes_per_s"}
    assert json.loads(json.dumps(device().to_dict())) == device().to_dict()
    assert replace(device(), name="b") != device()
