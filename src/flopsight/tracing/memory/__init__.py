"""The life of every storage in a run, and what kernels take for themselves."""
