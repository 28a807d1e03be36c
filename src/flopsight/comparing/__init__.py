"""Models beside each other (`compare`), and what changed from one profile to another (`diff`)."""

from flopsight.comparing.rows import Comparison, compare
from flopsight.comparing.changes import Diff, diff

__all__ = ["Comparison", "Diff", "compare", "diff"]
