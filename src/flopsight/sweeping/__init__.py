"""Many models, one row each, in processes of their own: here, or through any `concurrent.futures.Executor`.

sweep -> executor -> host.run -> child.measure -> Row. Where a worker of the executor runs is its own affair; each keeps
a process that does the measuring (`host`, `child`), so that the limits of time and memory hold everywhere alike.
"""

from flopsight.sweeping.rows import COUNTED, Row, summary
from flopsight.sweeping.runner import MEMORY_LIMIT_BYTES, TIME_LIMIT_S, sweep

__all__ = ["COUNTED", "MEMORY_LIMIT_BYTES", "TIME_LIMIT_S", "Row", "summary", "sweep"]
