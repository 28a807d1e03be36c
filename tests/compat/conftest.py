from __future__ import annotations

from collections.abc import Iterator

import pytest

from flopsight.compat import _run
from flopsight.sources.torchvision_operators import torchvision_importable


@pytest.fixture(scope="session")
def torchvision() -> None:
    """torchvision, if it is installed."""
    with torchvision_importable():
        pytest.importorskip("torchvision")


@pytest.fixture(autouse=True)
def fresh_warnings() -> Iterator[None]:
    """What is said once in a process is said again in each test."""
    _run.ignored.cache_clear()
    yield
    _run.ignored.cache_clear()
