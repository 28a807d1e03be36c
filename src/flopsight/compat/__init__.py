"""The older tools' functions on flopsight's counts: change the import, keep the rest.

    from flopsight.compat.thop import profile, clever_format
    from flopsight.compat.torchstat import stat, ModelStat
    from flopsight.compat.flopth import flopth
    from flopsight.compat.ptflops import get_model_complexity_info
    from flopsight.compat.fvcore import FlopCountAnalysis, flop_count_table
    from flopsight.compat.torchinfo import summary

Arguments, return types, units and printed tables are the originals'; the count follows the tool's own convention, over
every operator that runs. `docs/migrating.md` shows where a figure differs from the original's, and why.
"""
