"""Libraries whose compiled part does not load beside this PyTorch, imported all the same."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def declared_instead(package: str, owns: Callable[[Path], bool], declare: Callable[[], Any]) -> Iterator[None]:
    """While this is active, `package` can be imported: where a file that it owns does not load, `declare` is called.

    Nothing happens where the package is imported already.
    """
    import torch

    if package in sys.modules:
        yield
        return
    for leftover in [name for name in sys.modules if name.startswith(f"{package}.")]:
        del sys.modules[leftover]  # of an import that failed for want of the operators
    load = torch.ops.load_library

    def load_or_declare(path: Any) -> None:
        try:
            load(path)
        except OSError:
            if not owns(Path(path)):
                raise
            declare()

    torch.ops.load_library = load_or_declare  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.ops.load_library = load  # type: ignore[method-assign]
