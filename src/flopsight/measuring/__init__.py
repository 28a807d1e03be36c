"""Real runs: how long a model takes, and what this machine computes and moves in a second."""

from flopsight.measuring.machine import measure_device
from flopsight.measuring.model import Measurement, measure

__all__ = ["Measurement", "measure", "measure_device"]
