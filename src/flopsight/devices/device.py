"""`Device`: what a machine computes and moves in a second at most."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, get_type_hints

from flopsight.errors import DeviceError, near

RATES = ("float64", "float32", "tf32", "float16", "bfloat16", "float8", "int8")
"""The dtypes that a rate is published for; `tf32` is float32 with the factors rounded, where a user allows that."""

_AS = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}
_BYTES = ("int8", "uint8", "qint8", "quint8")
_WHOLE = ("bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "qint32", "none")

_KINDS = ("gpu", "tpu", "cpu")


@dataclass(frozen=True, kw_only=True)
class Device:
    """A machine, by what it can do at most. `flopsight.Device.get("h100-sxm")` is one that is published.

    name, title, kind: in options, in full, and `gpu`, `tpu` or `cpu`.
    rates: by dtype, operations a second of dense matrix products, a multiply-add being two. sparse_rates: those that
    the maker gives for matrices half of zeros; nothing is computed from them. vector_rate: operations a second of all
    else; None for the float32 rate.
    memory_bytes, memory_bytes_per_s: of the main memory. cache_bytes: what can stay on the chip from one kernel to the
    next, 0 where that is nothing or not known. cache_bytes_per_s: how fast that is at most; None where it is not known,
    and then it costs no time. interconnect_bytes_per_s: to other devices, both directions together, as makers count.
    power_limit_w: in watts. source, date: the document, and when it is of, or was read where it has no date; of a
    measured one, how and when it was measured.
    """

    name: str
    title: str = ""
    kind: str
    rates: Mapping[str, float]
    sparse_rates: Mapping[str, float] = field(default_factory=dict)
    vector_rate: float | None = None
    memory_bytes: int
    memory_bytes_per_s: float
    cache_bytes: int = 0
    cache_bytes_per_s: float | None = None
    interconnect_bytes_per_s: float | None = None
    power_limit_w: float | None = None
    source: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        """Refuse what no machine can have. Raises: DeviceError."""
        if self.kind not in _KINDS:
            raise DeviceError(f"The device {self.name!r} is of the kind {self.kind!r}; there are {', '.join(_KINDS)}.")
        for dtype in (*self.rates, *self.sparse_rates):
            if dtype not in RATES:
                raise DeviceError(
                    f"The device {self.name!r} has a rate for {dtype!r}; rates are for {', '.join(RATES)}."
                    f"{near(dtype, list(RATES))}"
                )
        needed = [*self.rates.values(), *self.sparse_rates.values(), self.memory_bytes, self.memory_bytes_per_s]
        optional = (self.vector_rate, self.cache_bytes_per_s, self.interconnect_bytes_per_s, self.power_limit_w)
        for value in [*needed, *(value for value in optional if value is not None)]:
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                raise DeviceError(f"The device {self.name!r} has {value!r} where a number above 0 is needed.")
        if isinstance(self.cache_bytes, bool) or not isinstance(self.cache_bytes, int) or self.cache_bytes < 0:
            raise DeviceError(f"The device {self.name!r} has a cache of {self.cache_bytes!r} bytes; 0 is none.")
        if not self.rates:
            raise DeviceError(f"The device {self.name!r} has no rate; give one for a dtype, as {{'float32': 1e12}}.")

    @staticmethod
    def get(device: str | Device) -> Device:
        """The published device of that name; one given as such is handed back. Raises: DeviceError."""
        return get(device)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Device:
        """The device in a file that `save` or `flopsight devices --measure --out FILE` wrote. Raises: DeviceError."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DeviceError(
                f"{os.fspath(path)} is no device's file ({type(error).__name__}: {error}). Make one with: "
                "flopsight devices --measure --out FILE."
            ) from error
        if not isinstance(data, dict):
            raise DeviceError(f"{os.fspath(path)} is no device's file: it holds no JSON object.")
        return Device.from_dict(data)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the device as JSON. Raises: DeviceError if the file cannot be written."""
        try:
            Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise DeviceError(f"{os.fspath(path)} cannot be written: {error.strerror}.") from error

    def rate(self, dtype: str) -> float:
        """Operations a second of matrix products in a dtype, by PyTorch's name or one of `RATES`.

        Complex numbers go by their parts, every float8 as one, integers of a byte by `int8`, and wider ones by
        `other_rate`. Raises: DeviceError where the device has no rate for it.
        """
        own = _AS.get(dtype, "float8" if dtype.startswith("float8") else "int8" if dtype in _BYTES else dtype)
        if own in self.rates:
            return self.rates[own]
        if dtype in _WHOLE:
            return self.other_rate
        raise DeviceError(
            f"{self.title or self.name} has no rate for {dtype}; it has {', '.join(self.rates)}. Say which of them the "
            "products run in: compute_dtype, or --compute-dtype on the command line."
        )

    @property
    def other_rate(self) -> float:
        """Operations a second of everything but matrix products: `vector_rate`, or float32's, or the largest."""
        return self.vector_rate or self.rates.get("float32") or max(self.rates.values())

    def to_dict(self) -> dict[str, Any]:
        """The device as plain values, without what it does not have."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: dict(value) if name in _TABLES else value for name, value in values.items() if value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Device:
        """The device that `to_dict` gave. Raises: DeviceError."""
        known = get_type_hints(cls)
        strange = [name for name in data if name not in known]
        missing = [name for name in _NEEDED if name not in data]
        if strange or missing:
            said = f"has {strange[0]!r}" if strange else f"lacks {missing[0]!r}"
            hint = near(strange[0], list(known)) if strange else ""
            raise DeviceError(f"The device {said}; its fields are {', '.join(known)}.{hint}")
        if not all(isinstance(data.get(name, {}), Mapping) for name in _TABLES):
            raise DeviceError("The rates of a device are a table: {'float32': 1e12}.")
        return cls(**data)


_TABLES = ("rates", "sparse_rates")
_NEEDED = ("name", "kind", "rates", "memory_bytes", "memory_bytes_per_s")


@cache
def _published() -> dict[str, Device]:
    table = json.loads(files("flopsight.devices").joinpath("published.json").read_text(encoding="utf-8"))
    return {name: Device.from_dict({"name": name, **facts}) for name, facts in table.items()}


def names() -> list[str]:
    """The names of the published devices, by maker and age."""
    return list(_published())


def get(device: str | Device) -> Device:
    """The published device of that name; one given as such is handed back. Raises: DeviceError with near matches."""
    if isinstance(device, Device):
        return device
    found = _published().get(device.lower().replace(" ", "-").replace("_", "-"))
    if found is None:
        raise DeviceError(
            f"There is no device {device!r}; there are {', '.join(names())}.{near(device.lower(), names())} "
            "To measure this machine: flopsight devices --measure --out FILE."
        )
    return found
