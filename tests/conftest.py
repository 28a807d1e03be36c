"""Settings of the whole suite."""

from __future__ import annotations

import os
from contextlib import suppress

from hypothesis import settings

from flopsight.sources import torchaudio

settings.register_profile("flopsight", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("flopsight")

with suppress(ImportError):
    torchaudio.names()  # imports it; transformers does so too, and by itself cannot beside a PyTorch without CUDA
