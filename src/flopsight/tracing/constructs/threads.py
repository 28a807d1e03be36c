"""Work that the code of a run hands to threads: followed there, and put into the run's record.

Dispatch modes belong to a thread. While a run is active, what its thread starts (`threading.Thread.start`) or submits
(`ThreadPoolExecutor.submit`) runs under a dispatcher of its own, so that nothing is shared on the way; the records are
put together at the end, in the order in which the work was handed out. Threads that no run started are left alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from flopsight.calls import Operation, Scope
from flopsight.errors import FlopsightError
from flopsight.tracing.booking import Booking
from flopsight.tracing.place import activate, active
from flopsight.tracing.scopes import Scopes
from flopsight.tracing.untouched.replacement import Replacement

Calls = list[tuple[Operation, int, int]]

_UNFINISHED = Operation("threading::unfinished", "other", {}, {}, (), None, "none", "none")
"""Booked for work in a thread that went on after the run."""

_PATIENCE_S = 1.0
"""How long a thread that has given its result may take to end."""

_submitting = threading.local()


class Work:
    """Something handed to another thread: where in the run that was, and what it ran.

    thread: the one started for it, if one was. done: whether it has ended, or never began. cut: whether the run ended
    before it. error: one of flopsight's that ended a thread.
    """

    def __init__(self, scopes: Scopes) -> None:
        self.around = scopes
        self.at = scopes.current
        self.here = scopes.here
        self.muted = scopes.muted > 0
        self.dispatcher: Booking | None = None
        self.thread: threading.Thread | None = None
        self.done = False
        self.cut = False
        self.error: BaseException | None = None

    def end(self) -> None:
        """The run ends: what its thread still does is its own."""
        ran = self.dispatcher is not None and (self.dispatcher.ledger.calls or self.dispatcher.scopes.works)
        if self.thread is not None and not self.done:
            if self.thread.daemon and not ran:
                return  # none of the model's: a progress bar's, a pool's
            self.thread.join(_PATIENCE_S)
        self.cut = not self.done
        if self.dispatcher is not None:
            self.dispatcher.scopes.dispatcher = None
            self.dispatcher.ended = True

    def run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call it in this thread, as part of the run."""
        outer = self.around.dispatcher
        if outer is None:  # the run has ended
            return call(*args, **kwargs)
        scopes = Scopes(restore=False, around=self.around, here=self.here)
        scopes.scopes.append(Scope(self.here, -1))
        scopes.dispatcher = self.dispatcher = outer.beside(scopes)
        try:
            with _following(self.dispatcher), scopes.quiet() if self.muted else nullcontext():
                return call(*args, **kwargs)
        finally:
            self.done = True

    def run_thread(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """As `run`, for a thread's body: what flopsight raises is kept for the thread that made the profile."""
        from flopsight.tracing.constructs.grad_mode import NeedsAutograd

        try:
            self.run(call, *args, **kwargs)
        except (FlopsightError, NeedsAutograd) as error:
            self.error = error
        except Exception:
            if self.dispatcher is None or not self.dispatcher.scopes.untracked:
                raise
            self.error = NeedsAutograd()  # for want of it, perhaps; nobody would see the error of a thread


@contextmanager
def _following(dispatcher: Booking) -> Iterator[None]:
    """Make this thread part of a run."""
    outer = active()
    with ExitStack() as stack:
        activate(dispatcher.scopes)
        stack.callback(activate, outer)
        if dispatcher.below_autograd:
            stack.enter_context(dispatcher.without_autograd())
        stack.enter_context(dispatcher)
        yield


def _handed_out() -> Work | None:
    """The work that this thread is about to hand out, if it is part of a run."""
    scopes: Scopes | None = active()
    if scopes is None or scopes.dispatcher is None:
        return None
    work = Work(scopes)
    scopes.works.append(work)
    return work


def _start(self: threading.Thread) -> None:
    work = None if getattr(_submitting, "now", False) else _handed_out()
    if work is not None:
        work.thread = self
        body = self.run

        def run() -> None:
            del self.run  # a thread is started once; nothing of the run stays on it
            work.run_thread(body)

        self.run = run  # type: ignore[method-assign]
    _START.original(self)


def _submit(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    work = _handed_out()
    if work is None:
        return _SUBMIT.original(self, fn, *args, **kwargs)
    _submitting.now = True  # the worker that this may start outlives the task, and is not to be followed
    try:
        future = _SUBMIT.original(self, work.run, fn, *args, **kwargs)
    finally:
        _submitting.now = False

    def cancelled(ended: Any) -> None:
        work.done = work.done or ended.cancelled()

    future.add_done_callback(cancelled)
    return future


_START = Replacement(threading.Thread, "start", _start)
_SUBMIT = Replacement(ThreadPoolExecutor, "submit", _submit)


@contextmanager
def followed(dispatcher: Booking) -> Iterator[None]:
    """Follow the work that this thread hands to others meanwhile.

    Raises: what flopsight raised in a thread, which had nobody to pass it on to.
    """
    scopes = dispatcher.scopes
    scopes.dispatcher = dispatcher
    try:
        with _START, _SUBMIT:
            yield
    finally:
        works = list(_all_works(scopes))
        scopes.dispatcher = None
        for work in works:
            work.end()
        error = next((work.error for work in works if work.error is not None), None)
        if error is not None:
            raise error


def _all_works(scopes: Scopes) -> Iterator[Work]:
    for work in scopes.works:
        yield work
        if work.dispatcher is not None:
            yield from _all_works(work.dispatcher.scopes)


def gathered(dispatcher: Booking) -> tuple[list[Scope], Calls]:
    """The scopes and calls of a run, with those of the work that it handed to threads."""
    if not dispatcher.scopes.works:
        return dispatcher.scopes.scopes, dispatcher.ledger.calls
    scopes, calls = list(dispatcher.scopes.scopes), list(dispatcher.ledger.calls)
    _gather(dispatcher.scopes, list(range(len(scopes))), scopes, calls)
    return scopes, calls


def _gather(around: Scopes, index: list[int], scopes: list[Scope], calls: Calls) -> None:
    """Add what was handed out from `around`, whose scopes have the numbers `index` in the whole."""
    for work in around.works:
        at = index[work.at]
        if work.cut and not work.muted:
            calls.append((_UNFINISHED, at, 0))
        if work.dispatcher is None:
            continue
        inner = work.dispatcher.scopes
        own = [at]
        for scope in list(inner.scopes)[1:]:
            own.append(len(scopes))
            scopes.append(scope._replace(parent=own[scope.parent]))
        calls += [(record, own[scope], phase) for record, scope, phase in list(work.dispatcher.ledger.calls)]
        _gather(inner, own, scopes, calls)
