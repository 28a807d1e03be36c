"""Ways of PyTorch to run code that a run has to follow: autograd modes, compiled code, threads, processes, ..."""
