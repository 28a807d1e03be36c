"""Importing libraries of models beside a PyTorch that their compiled parts were not built for, as one without CUDA."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def libraries_importable() -> Iterator[None]:
    """While this is active, torchvision and torchaudio can be imported, directly or by another library."""
    from flopsight.sources.torchaudio_operators import torchaudio_importable
    from flopsight.sources.torchvision_operators import torchvision_importable

    with torchvision_importable(), torchaudio_importable():
        yield
