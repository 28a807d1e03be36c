"""Machines: what each computes and moves in a second at most, as published or as measured. Needs no torch.

`published.json` holds what makers publish, each with its source; `flopsight devices` lists it.
"""

from flopsight.devices.device import Device, get, names

__all__ = ["Device", "get", "names"]
