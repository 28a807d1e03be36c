"""What lives when: memory over a run, and what it is at its fullest. Needs no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

from flopsight.analysis.allocators import reserved_bytes, taken
from flopsight.calls import PHASES, SAVED, TEMPORARIES, WORKSPACE, Allocation
from flopsight.cost import TensorSpec
from flopsight.errors import InputError
from flopsight.record import Record

_SAVED = ("forward", "recompute")
"""Phases in which what a backward pass needs is made."""


@dataclass(frozen=True)
class Held:
    """One storage at the peak.

    kind: what it is kept for. nbytes: its size. spec: the tensor it was made for. module: the path of that which made
    or holds it. operator: that which made it, None for what was there before. keeper: the backward step that it is
    saved for.
    """

    kind: str
    nbytes: int
    spec: TensorSpec
    module: str
    operator: str | None
    keeper: str | None


@dataclass(frozen=True)
class Memory:
    """Memory over a run, in bytes.

    peak_bytes: all that lives at the worst moment, what was there before included. peak_call: the operator call at
    which that is, None before the first. at_peak: those bytes by what they are kept for. by_module: by the module that
    made or holds them. timeline: the bytes that live after each operator call. saved_for_backward: what is kept for a
    backward pass when the forward ends, by module. held: every storage at the peak, the largest first.
    model: its name. allocator: that whose sizes these are, None for those of the storages. reserved_bytes: what it
    takes from the device at most.
    """

    model: str
    peak_bytes: int
    peak_call: int | None
    at_peak: Mapping[str, int]
    by_module: Mapping[str, int]
    timeline: tuple[int, ...]
    saved_for_backward: Mapping[str, int]
    held: tuple[Held, ...]
    allocator: str | None = None
    reserved_bytes: int | None = None

    def largest(self, count: int = 10) -> tuple[Held, ...]:
        """The largest storages at the peak."""
        return self.held[:count]


def memory(record: Record, allocator: str | None = None) -> Memory:
    """The memory of a run that followed it.

    allocator: `cuda` for the sizes that PyTorch's caching allocator takes, without what kernels of a CPU take.
    Raises: InputError for a run that did not follow its memory, and for an unknown allocator.
    """
    if allocator not in (None, "cuda"):
        raise InputError(f"There is no model of an allocator {allocator!r}; there is one of 'cuda'.")
    if not record.storages:
        raise InputError(
            f"The memory of {record.model} was not followed; make the profile with flopsight.profile(..., memory=True)."
        )
    if allocator is not None:
        record = replace(record, storages=[taken(each) for each in record.storages if each.kind != WORKSPACE])
    kinds = {number: _kind(record, each) for number, each in enumerate(record.storages)}
    peak, moment = _peak(record.storages)
    alive = [number for number, each in enumerate(record.storages) if _lives_at(each, moment)]
    held = [_held(record, record.storages[number], kinds[number]) for number in alive]
    held.sort(key=lambda each: -each.nbytes)
    last = max((each.call for each in map(record.storages.__getitem__, alive) if each.call is not None), default=None)
    return Memory(
        model=record.model,
        allocator=allocator,
        reserved_bytes=None if allocator is None else reserved_bytes(record.storages),
        peak_bytes=peak,
        peak_call=last,
        at_peak=_sums((each.kind, each.nbytes) for each in held),
        by_module=_sums((each.module, each.nbytes) for each in held),
        timeline=_timeline(record),
        saved_for_backward=_saved(record, kinds),
        held=tuple(held),
    )


def _kind(record: Record, storage: Allocation) -> str:
    """What a storage is kept for: what its making does not tell, its end may."""
    made = None if storage.call is None else PHASES[record.calls[storage.call][2]]
    return SAVED if storage.kind == TEMPORARIES and made in _SAVED and storage.keeper is not None else storage.kind


def _peak(storages: list[Allocation]) -> tuple[int, int]:
    """The most bytes that live at once, and the first moment at which they do."""
    changes: Counter[int] = Counter()
    for storage in storages:
        changes[storage.made] += storage.nbytes
        if storage.gone is not None:
            changes[storage.gone] -= storage.nbytes
    moments = sorted(changes)
    totals = list(accumulate(changes[moment] for moment in moments))
    peak = max(totals)
    return peak, moments[totals.index(peak)]


def _lives_at(storage: Allocation, moment: int) -> bool:
    return storage.made <= moment and (storage.gone is None or storage.gone > moment)


def _held(record: Record, storage: Allocation, kind: str) -> Held:
    operator, module = None, storage.module
    if storage.call is not None:
        operation, scope, _ = record.calls[storage.call]
        operator, module = record.operations[operation].operator, module or record.scopes[scope].path
    return Held(kind, storage.nbytes, storage.spec, module or "", operator, storage.keeper if kind == SAVED else None)


def _timeline(record: Record) -> tuple[int, ...]:
    changes = [0] * len(record.calls)
    before = 0
    for storage in record.storages:
        if storage.call is None:
            before += storage.nbytes
        else:
            changes[storage.call] += storage.nbytes
        if storage.last_call is not None:
            changes[max(storage.last_call, 0)] -= storage.nbytes
    return tuple(before + change for change in accumulate(changes))


def _saved(record: Record, kinds: Mapping[int, str]) -> dict[str, int]:
    """The bytes that are saved when the first backward pass begins, or the run ends, by module."""
    phases = (PHASES[phase] for _, _, phase in record.calls)
    end = next((call for call, phase in enumerate(phases) if phase not in _SAVED), len(record.calls))
    there = [
        _held(record, storage, kinds[number])
        for number, storage in enumerate(record.storages)
        if kinds[number] == SAVED
        and (storage.call or 0) < end
        and (storage.last_call is None or storage.last_call >= end - 1)
    ]
    return _sums((each.module, each.nbytes) for each in there)


def _sums(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Sums by name, the largest first."""
    sums: Counter[str] = Counter()
    for name, nbytes in pairs:
        sums[name] += nbytes
    return dict(sums.most_common())
