"""What a run cost: the data every analysis, view and shim reads. Needs no torch.

A profile holds each kind of operator call once (`Operation`), the modules with their parameters (`ModuleNode`),
where calls came from (`Scope`), and the calls in the order they ran, as three indices each.
"""

from flopsight.record.calls import (
    PHASES,
    ModuleNode,
    OpCall,
    Operation,
    ParameterRecord,
    Scope,
    Specs,
    ancestors,
)
from flopsight.record.profile import REUSE, Profile
from flopsight.record.tally import ParameterCount, Tally

__all__ = [
    "PHASES",
    "REUSE",
    "ModuleNode",
    "OpCall",
    "Operation",
    "ParameterCount",
    "ParameterRecord",
    "Profile",
    "Scope",
    "Specs",
    "Tally",
    "ancestors",
]
