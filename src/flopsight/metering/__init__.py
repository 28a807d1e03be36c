"""Throughput and utilisation of a training loop of one's own, and callbacks for loops of others. Needs no torch.

`flopsight.metering.transformers` and `flopsight.metering.lightning` hold the callbacks; each loads its library.
"""

from flopsight.metering.meter import Meter, Reading

__all__ = ["Meter", "Reading"]
