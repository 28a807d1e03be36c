"""`ray:ADDRESS`: the workers of a Ray cluster; `ray:auto` is the one that runs on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

from flopsight.errors import InputError
from flopsight.sources._optional import require


class RayExecutor(Executor):
    """Ray has no executor of its own, but its references can be turned into futures."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `fn` on a worker, as a task of one processor."""
        future: Future[Any] = self._ray.remote(fn).remote(*args, **kwargs).future()
        return future


@contextmanager
def connected(address: str) -> Iterator[Executor]:
    """An executor on a running cluster. Raises: InputError if there is none, MissingLibraryError."""
    ray = require("ray", use="An executor ray:...", install="'flopsight[ray]'")
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"There is no cluster of Ray at {address}: {str(error).rstrip('.')}. Start one with: ray start --head"
        ) from error
    try:
        yield RayExecutor(ray)
    finally:
        ray.shutdown()
