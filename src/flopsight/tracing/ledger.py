"""The ledger: every operator call with its scope and phase, in the order they ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from flopsight.calls import Operation
from flopsight.tracing.operators.targets import module_call
from flopsight.tracing.place import user_line
from flopsight.tracing.scopes import Scopes


class Ledger:
    """Books calls where the scopes say they belong.

    calls: the record, the scope's index, the phase's index. owner: the path of the module that holds a parameter which
    the operator being booked uses, None if no module does. notes: assumptions made on the way. unrepeatable: how often
    something was met that an equal call might not do again, as it depends on values or changes the user's tensors.
    asked: whether the values of a constant may have decided what was run. gathered: what is to be booked together, None
    where calls are booked one by one.
    """

    def __init__(self, scopes: Scopes) -> None:
        self.scopes = scopes
        self.calls: list[tuple[Operation, int, int]] = []
        self.owner: str | None = None
        self.notes: list[str] = []
        self.unrepeatable = 0
        self.asked = False
        self.gathered: list[Operation] | None = None
        self._unknown: dict[Operation, Operation] = {}

    def book(self, record: Operation) -> None:
        """Book one call, here and now."""
        if self.gathered is not None:
            self.gathered.append(record)
            return
        if self.scopes.muted:
            return
        scope, phase = self.scopes.place(self.owner)
        self.calls.append((record if record.cost is not None else self._named(record), scope, phase))

    def book_all(self, records: Sequence[Operation]) -> None:
        """Book the parts of a composite operator, in one place."""
        if self.gathered is not None:
            self.gathered += records
        elif records and not self.scopes.muted:
            scope, phase = self.scopes.place(self.owner)
            for record in records:
                self.calls.append((record if record.cost is not None else self._named(record), scope, phase))

    def book_here(self, records: Sequence[Operation]) -> None:
        """Book calls in the current module, whatever they use."""
        self.owner = None
        self.book_all(records)

    def book_module(self, module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """Book one call of a module whose class has a formula."""
        self.owner = None
        self.book(module_call(module, args, kwargs, output))

    def together(self) -> Together:
        """What is booked inside is booked in one place at the end, where the first of it would be."""
        return Together(self)

    @contextmanager
    def apart(self) -> Iterator[list[tuple[Operation, int, int]]]:
        """What is booked inside is not booked after all, unless it is `put`."""
        calls, together = self.calls, self.gathered
        self.calls, self.gathered = [], None
        try:
            yield self.calls
        finally:
            self.calls, self.gathered = calls, together

    def put(self, calls: list[tuple[Operation, int, int]]) -> None:
        """Book what was booked apart."""
        if self.gathered is None:
            self.calls += calls
        else:
            self.gathered += [record for record, _, _ in calls]

    def assume(self, note: str) -> None:
        """Note an assumption, once."""
        if note not in self.notes:
            self.notes.append(note)

    def _named(self, record: Operation) -> Operation:
        """An unknown operator with the line of its first call in this run."""
        named = self._unknown.get(record)
        if named is None:
            named = self._unknown[record] = record._replace(site=user_line() or None)
        return named


class Together:
    """A context in which a ledger gathers what is booked; no generator's, which takes longer than what is inside."""

    __slots__ = ("_ledger", "_outer", "_owner", "records")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._owner, self._outer = ledger.owner, ledger.gathered
        self.records: list[Operation] = []

    def __enter__(self) -> list[Operation]:
        self._ledger.gathered = self.records
        return self.records

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        ledger = self._ledger
        ledger.gathered, ledger.owner = self._outer, self._owner
        if kind is None:
            ledger.book_all(self.records)
