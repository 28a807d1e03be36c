"""Forwards that return before they have run: generators and coroutines, run to their end."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from flopsight.errors import InputError


def finished(output: Any) -> Any:
    """What a forward returned; of a generator, all that it yields, and of a coroutine, what it returns.

    Raises: InputError for a coroutine that waits for something where an event loop is running already.
    """
    if inspect.isgenerator(output):
        return list(output)
    if inspect.isasyncgen(output):
        output = _collected(output)
    return _awaited(output) if inspect.iscoroutine(output) else output


async def _collected(generator: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in generator]


def _awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    running = asyncio._get_running_loop()
    if running is not None:
        return _driven(coroutine, running)
    loop = asyncio.new_event_loop()
    try:
        return finished(loop.run_until_complete(coroutine))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _driven(coroutine: Coroutine[Any, Any, Any], running: asyncio.AbstractEventLoop) -> Any:
    """Run a coroutine step by step where a loop is running, which cannot run another meanwhile."""
    asyncio._set_running_loop(None)  # no task of the coroutine's is to outlive the run
    try:
        while (waited_for := coroutine.send(None)) is None:
            pass
    except StopIteration as end:
        return finished(end.value)
    finally:
        asyncio._set_running_loop(running)
        coroutine.close()
    raise InputError(
        f"The model's forward is a coroutine that waits for {type(waited_for).__name__}, and an event loop is running "
        "in this thread; profile it in another one: await asyncio.to_thread(flopsight.profile, model, inputs)."
    )
