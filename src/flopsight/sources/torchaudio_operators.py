"""Importing torchaudio beside a PyTorch that its compiled library was not built for, as one without CUDA.

diffusers and others import it as they are imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any


@contextmanager
def torchaudio_importable() -> Iterator[None]:
    """While this is active, torchaudio can be imported although its compiled library does not load beside a CPU-only
    PyTorch; its models need none of it.
    """
    import torch

    if "torchaudio" in sys.modules:
        yield
        return
    load = torch.ops.load_library

    def load_or_declare(path: Any) -> None:
        try:
            load(path)
        except OSError:
            if "torchaudio" not in Path(path).parts:
                raise
            _declare()

    torch.ops.load_library = load_or_declare  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.ops.load_library = load  # type: ignore[method-assign]


@cache
def _declare() -> Any:
    """What torchaudio looks for in its library as it is imported; kept for the life of the process."""
    import torch

    filters = torch.library.Library("torchaudio", "FRAGMENT")
    filters.define("_lfilter_core_loop(Tensor input, Tensor a, Tensor(a!) padded_output) -> ()")
    filters.define(
        "_overdrive_core_loop(Tensor waveform, Tensor temp, Tensor last_in, Tensor last_out, Tensor out) -> ()"
    )
    library = torch.library.Library("_torchaudio", "FRAGMENT")
    library.define("cuda_version() -> int?")
    library.define("is_align_available() -> bool")
    library.impl("cuda_version", lambda: None, "CompositeExplicitAutograd")
    library.impl("is_align_available", lambda: False, "CompositeExplicitAutograd")
    return filters, library
