"""Options that name a device, and the time at best that they ask for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flopsight import devices, views
from flopsight.cli import _output
from flopsight.cli._formats import STDOUT
from flopsight.cli._values import seconds
from flopsight.closed_form import ClosedForm
from flopsight.errors import InputError

if TYPE_CHECKING:
    from flopsight.devices import Device
    from flopsight.profiles import Profile

_REPORT = "html"
_BY = ("module", "operator", "family")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the options of the time at best, and of drawing it."""
    timed = add_timing(parser, "the least time on a device, in place of the table of counts")
    timed.add_argument("--plot", metavar="FILE", help="rate against operations per byte, drawn to FILE")


def add_timing(parser: argparse.ArgumentParser, says: str = "the least time on a device") -> Any:
    """Add the options of the time at best, under what is said of them, and return their group."""
    timed = parser.add_argument_group("time at best", says)
    timed.add_argument("--device", metavar="NAME", help="one that flopsight devices lists: h100-sxm")
    timed.add_argument("--device-file", metavar="FILE", help="one that flopsight devices --measure saved")
    timed.add_argument("--fused", action="store_true", help="as a compiler runs it at best, not operator by operator")
    timed.add_argument("--launch", type=seconds, default=0.0, metavar="SECONDS", help="what a kernel takes at least")
    timed.add_argument("--compute-dtype", metavar="DTYPE", help="what products run in, if not in their own: tf32")
    return timed


def named(name: str | None, file: str | None, option: str) -> Device | None:
    """The device of that name, or in that file, if either is given. Raises: DeviceError, InputError for both."""
    if name and file:
        raise InputError(f"Both {option} and --device-file name a device; give one of them.")
    if file:
        return devices.Device.load(file)
    return devices.get(name) if name else None


def chosen(options: argparse.Namespace) -> Device | None:
    """The device that the options name, if they do. Raises: DeviceError, InputError."""
    found = named(options.device, options.device_file, "--device")
    if found is not None:
        return found
    for name in ("fused", "launch", "compute_dtype", "plot"):
        if getattr(options, name, None):
            raise InputError(f"--{name.replace('_', '-')} is about a device; name one: --device h100-sxm")
    return None


def checked(options: argparse.Namespace) -> Device | None:
    """Find mistakes in the options before the model is built; the device that they name. Raises: FlopsightError."""
    _output.check(options)
    device = chosen(options)
    if device is None:
        return None
    for name in views.names():
        if name not in (_REPORT, "trace") and getattr(options, name, None) is not None:
            raise InputError(f"--{name} writes down counts; leave it out, or leave out the device.")
    for name in ("top", "only", "flat"):
        if getattr(options, name):
            raise InputError(f"--{name} chooses rows of the table of counts; leave it out, or leave out the device.")
    if options.by not in _BY:
        raise InputError(f"The time at best is by {', '.join(_BY)}, not by {options.by}.")
    if options.plot and not Path(options.plot).resolve().parent.is_dir():
        raise InputError(f"{options.plot} cannot be written: there is no folder {Path(options.plot).parent}.")
    return device


def show(profile: Profile, options: argparse.Namespace, device: Device | None) -> None:
    """Print the time at best, and draw it if asked; without a device, the profile. Raises: FlopsightError."""
    if device is None:
        _output.show(profile, options)
        return
    from flopsight.views.roofline import render

    if isinstance(profile, ClosedForm):
        raise InputError("A time is of numbers, and these are formulas; give a number for each size.")
    profile = _output.part(profile, options.module)
    found = profile.roofline(device, fused=options.fused, launch_s=options.launch, compute_dtype=options.compute_dtype)
    if options.plot:
        figure: Any = found.plot().get_figure()
        try:
            figure.savefig(options.plot)
        except (OSError, ValueError) as error:
            raise InputError(f"{options.plot} cannot be drawn: {error}") from error
    if options.trace is not None:
        _output.write(options.trace, "trace", views.get("trace").render(found.record, roofline=found), profile)
    if options.html is not None:
        page = views.get(_REPORT).render(profile, roofline=found, convention=options.count)
        _output.write(options.html, _REPORT, page, profile)
    if STDOUT not in (options.trace, options.html):
        sys.stdout.write(render(found, depth=options.depth, by=options.by))
