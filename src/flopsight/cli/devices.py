"""`flopsight devices`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from flopsight import devices, units
from flopsight.cli import Command
from flopsight.cli._listing import print_listing
from flopsight.devices import Device
from flopsight.errors import InputError

_TITLES = ("name", "device", "operations a second, by dtype", "memory", "bandwidth", "published")


class Devices(Command):
    """List the devices that --device knows, tell all of one and its source, or measure this machine.

    Rates are of dense matrix products, a multiply-add being two operations.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        parser.add_argument("device", nargs="?", metavar="NAME", help="all that is known of one, and where it is from")
        parser.add_argument("--measure", action="store_true", help="measure this machine, in a few seconds")
        parser.add_argument("--on", default=None, metavar="cpu|cuda", help="what to measure (default: cuda if there)")
        parser.add_argument("--out", metavar="FILE", help="save what was measured, for --device-file")

    def run(self, options: argparse.Namespace) -> int:
        """Print the list, or what was measured."""
        if not options.measure:
            for name in ("on", "out"):
                if getattr(options, name):
                    raise InputError(f"--{name} is about a measurement; add --measure.")
            if options.device:
                print_listing(("", devices.get(options.device).title), _facts(devices.get(options.device)))
            else:
                print_listing(_TITLES, map(_row, map(devices.get, devices.names())))
            return 0
        if options.device:
            raise InputError(f"--measure is about this machine; leave out {options.device}, or --measure.")
        if options.out and not Path(options.out).resolve().parent.is_dir():
            raise InputError(f"{options.out} cannot be written: there is no folder {Path(options.out).parent}.")
        from flopsight.measuring import measure_device

        found = measure_device(options.on)
        print_listing(_TITLES, [_row(found)])
        if options.out:
            found.save(options.out)
        return 0


def _row(device: Device) -> tuple[str, ...]:
    bandwidth = units.rate(device.memory_bytes_per_s, "B")
    return device.name, device.title, _rates(device.rates), units.size(device.memory_bytes, 0), bandwidth, device.date


def _rates(rates: Mapping[str, float]) -> str:
    return ", ".join(f"{dtype} {units.count(int(rate), 2)}" for dtype, rate in rates.items()) or "-"


def _facts(device: Device) -> list[tuple[str, str]]:
    """What is known of a device, each with its name."""

    def speed(per_s: float | None) -> str:
        return "-" if per_s is None else units.rate(per_s, "B")

    return [
        ("name", device.name),
        ("operations a second", _rates(device.rates)),
        ("with sparsity", _rates(device.sparse_rates)),
        ("outside products", "-" if device.vector_rate is None else units.rate(device.vector_rate)),
        ("memory", f"{units.size(device.memory_bytes, 0)} at {speed(device.memory_bytes_per_s)}"),
        ("cache", f"{units.size(device.cache_bytes, 0)} at {speed(device.cache_bytes_per_s)}"),
        ("to other devices", speed(device.interconnect_bytes_per_s)),
        ("power limit", "-" if device.power_limit_w is None else f"{device.power_limit_w:g} W"),
        ("source", device.source),
        ("date", device.date),
    ]
