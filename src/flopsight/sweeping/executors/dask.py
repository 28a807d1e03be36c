"""`dask:ADDRESS`: the workers of a Dask cluster, by the address of its scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from flopsight.errors import InputError
from flopsight.sources._optional import require


@contextmanager
def connected(address: str) -> Iterator[Executor]:
    """Dask's own executor. Raises: InputError if there is no scheduler, MissingLibraryError."""
    distributed = require("distributed", use="An executor dask:...", install="'flopsight[dask]'")
    try:
        client = distributed.Client(address)
    except (OSError, ValueError) as error:
        raise InputError(
            f"There is no scheduler of Dask at {address}: {str(error).rstrip('.')}. Start one with: dask scheduler"
        ) from error
    with client, client.get_executor() as executor:
        yield executor
