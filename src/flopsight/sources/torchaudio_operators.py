"""Importing torchaudio beside a PyTorch that its compiled library was not built for, as one without CUDA.

diffusers and others import it as they are imported.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from flopsight.sources._compiled import declared_instead


def torchaudio_importable() -> AbstractContextManager[None]:
    """While this is active, torchaudio can be imported although its compiled library does not load beside a CPU-only
    PyTorch; its models need none of it.
    """
    return declared_instead("torchaudio", lambda path: "torchaudio" in path.parts, _declare)


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
