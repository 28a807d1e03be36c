"""The published devices, and devices in files."""

from __future__ import annotations

import json
import os
from functools import cache
from importlib.resources import files
from pathlib import Path

from flopsight.devices.device import Device
from flopsight.errors import DeviceError, near


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


def save(device: Device, path: str | os.PathLike[str]) -> None:
    """Write a device as JSON. Raises: DeviceError if the file cannot be written."""
    try:
        Path(path).write_text(json.dumps(device.to_dict(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise DeviceError(f"{os.fspath(path)} cannot be written: {error.strerror}.") from error
