"""Settings of the whole suite."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("flopsight", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("flopsight")


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    """Drawings are pyplot's where a library has imported it, which keeps them and warns of many."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
