"""`Profiler`: count what runs in a block of the user's own."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

import torch

from flopsight.errors import InputError
from flopsight.profiles import Profile
from flopsight.tracing.dispatch import Dispatcher
from flopsight.tracing.memory.storages import Storages
from flopsight.tracing.scopes import Scopes
from flopsight.tracing.tracer import record_of
from flopsight.tracing.training.step import MemoryDispatcher


class Profiler:
    """Counts what runs inside a `with` block of your own: real tensors, a whole training step, several models.

    The code runs as it would without; `profiler.profile` is the result, complete when the block has ended.

        with flopsight.Profiler() as profiler:
            model(x).sum().backward()
            optimizer.step()
        print(profiler.profile)

    memory: follow the life of every storage (`profiler.profile.memory`). Those that the block never touches are not
    known to it.
    """

    def __init__(self, *, memory: bool = False) -> None:
        self._memory = memory
        self._stack = ExitStack()
        self._scopes: Scopes | None = None
        self._dispatcher: Dispatcher | None = None

    def __enter__(self) -> Profiler:
        if self._scopes is not None:
            raise InputError("This Profiler has been used; make a new one for another block.")
        self._scopes = Scopes(restore=False)
        self._scopes.root("code", None)
        kind = MemoryDispatcher if self._memory else Dispatcher
        self._dispatcher = kind(self._scopes, execute=True, protect=False)
        if isinstance(self._dispatcher, MemoryDispatcher):
            self._dispatcher.storages = Storages(self._dispatcher.ledger)
        self._stack.enter_context(self._scopes.watching())
        self._stack.enter_context(self._dispatcher.active())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(self._dispatcher, MemoryDispatcher):
            self._dispatcher.finish()
        self._stack.close()
        if self._scopes is not None:
            self._scopes.forget()

    @property
    def profile(self) -> Profile:
        """What ran so far. Raises: InputError before the block has begun."""
        if self._scopes is None or self._dispatcher is None:
            raise InputError("Nothing has run: use the Profiler as `with flopsight.Profiler() as profiler:` first.")
        about = {"inputs": [], "backward": False, "execute": True, "torch": torch.__version__}
        return record_of("code", self._scopes, self._dispatcher, about)
