"""Models beside each other (`compare`), and what changed from one profile to another (`diff`)."""

from flopsight.comparing.changes import Diff, diff
from flopsight.comparing.rows import Comparison, compare

__all__ = ["Comparison", "Diff", "compare", "diff"]
