"""`flopsight devices`."""

from __future__ import annotations

import argparse
from pathlib import Path

from flopsight import devices, units
from flopsight.cli import Command
from flopsight.cli._listing import print_listing
from flopsight.devices import Device
from flopsight.errors import InputError

_TITLES = ("name", "device", "operations a second, by dtype", "memory", "bandwidth", "source")


class Devices(Command):
    """List the devices that --device knows, with their rates as published, or measure this machine.

    Rates are of dense matrix products, a multiply-add being two operations.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        parser.add_argument("--measure", action="store_true", help="measure this machine, in a few seconds")
        parser.add_argument("--on", default=None, metavar="cpu|cuda", help="what to measure (default: cuda if there)")
        parser.add_argument("--out", metavar="FILE", help="save what was measured, for --device-file")

    def run(self, options: argparse.Namespace) -> int:
        """Print the list, or what was measured."""
        if not options.measure:
            for name in ("on", "out"):
                if getattr(options, name):
                    raise InputError(f"--{name} is about a measurement; add --measure.")
            print_listing(_TITLES, map(_row, map(devices.get, devices.names())))
            return 0
        if options.out and not Path(options.out).resolve().parent.is_dir():
            raise InputError(f"{options.out} cannot be written: there is no folder {Path(options.out).parent}.")
        from flopsight.measuring import measure_device

        found = measure_device(options.on)
        print_listing(_TITLES, [_row(found)])
        if options.out:
            found.save(options.out)
        return 0


def _row(device: Device) -> tuple[str, ...]:
    rates = ", ".join(f"{dtype} {units.count(int(rate), 2)}" for dtype, rate in device.rates.items())
    bandwidth = units.rate(device.memory_bytes_per_s, "B")
    source = f"{device.source} ({device.date})"
    return device.name, device.title, rates, units.size(device.memory_bytes, 0), bandwidth, source
