"""fvcore's counters over flopsight's counts: write `flopsight.compat.fvcore` for `fvcore.nn`.

Counts are those of the convention `fvcore` for every operator that runs, fused attention and recurrent layers included.
A handle set for an operator is called as fvcore calls it.
"""

from flopsight.compat.fvcore.analysis import JitModelAnalysis
from flopsight.compat.fvcore.counts import ActivationCountAnalysis, FlopCountAnalysis, activation_count, flop_count
from flopsight.compat.fvcore.tables import flop_count_str, flop_count_table, parameter_count, parameter_count_table

__all__ = [
    "ActivationCountAnalysis",
    "FlopCountAnalysis",
    "JitModelAnalysis",
    "activation_count",
    "flop_count",
    "flop_count_str",
    "flop_count_table",
    "parameter_count",
    "parameter_count_table",
]
