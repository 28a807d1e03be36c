"""Inputs that are neither text nor pixels nor sound: series of numbers, games, proteins, prompts of a segmentation."""

from __future__ import annotations

from typing import Any

from flopsight.sources.transformers.facts import Facts
from flopsight.tracing.inputs import spec


def series(facts: Facts) -> Any:
    """[B, L, channels]: the past of a time series."""
    length = facts.read("context_length", default=512)
    channels = facts.read("num_input_channels", default=0)
    return spec(facts.batch, length, *((channels,) if channels else ()))


OTHERS = {"past_values": series}
"""By the argument of forward."""
