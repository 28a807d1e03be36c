"""What a run cost: the data every analysis, view and shim reads, and the sums over it. Needs no torch.

A record holds each kind of operator call once (`Operation`), the modules with their parameters (`ModuleNode`),
where calls came from (`Scope`), and the calls in the order they ran, as three indices each (`flopsight.calls`).
"""

from flopsight.record.record import REUSE, Record
from flopsight.record.tally import ParameterCount, Tally

__all__ = ["REUSE", "ParameterCount", "Record", "Tally"]
