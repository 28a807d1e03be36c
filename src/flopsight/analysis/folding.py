"""What is alike of blocks whose names count up, as one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Run(Generic[Item]):
    """One thing, or several that are alike.

    names: the module's path; where there is one before and one after, both, None for one that is not there. A name of
    several has the numbers of the first and the last: `layers.0-7.fc`. alike: equal for things that may be told as one.
    """

    names: tuple[str | None, ...]
    alike: Any
    items: tuple[Item, ...]

    @property
    def times(self) -> int:
        """How many it is."""
        return len(self.items)


def folded(runs: Sequence[Run[Item]]) -> list[Run[Item]]:
    """The same with neighbours in the numbers of one name as one run, innermost names first, in order of the first."""
    deepest = max((name.count(".") + 1 for run in runs for name in run.names if name), default=0)
    found = list(runs)
    for place in range(deepest):
        found = _folded_at(found, place)
    return found


def _folded_at(runs: Sequence[Run[Item]], place: int) -> list[Run[Item]]:
    """The same with those as one that differ in the number of the name at a place, counted from the end, alone."""
    last: dict[Any, list[Run[Item]]] = {}
    ended: list[list[Run[Item]]] = []
    for run in runs:
        numbers, rest = _split(run, place)
        before = last.get(rest)
        if before and numbers and [number + 1 for number in _split(before[-1], place)[0]] == numbers:
            before.append(run)
        else:
            last[rest] = [run]
            ended.append(last[rest])
    return [same[0] if len(same) == 1 else _one(same, place) for same in ended]


def _split(run: Run[Any], place: int) -> tuple[list[int], Any]:
    """The numbers at a place of the names, and all the rest, which is equal for runs that can be one."""
    numbers, rest = [], []
    for name in run.names:
        parts = (name or "").split(".")[::-1]
        read = _numbered(parts[place]) if place < len(parts) else None
        if read:
            numbers.append(int(read[2]))
            parts[place] = read[1]
        rest.append((bool(read), tuple(parts)))
    return numbers, (run.times, run.alike, tuple(rest))


def _numbered(label: str) -> re.Match[str] | None:
    """A name that ends in a number, and is no range yet."""
    read = re.fullmatch(r"(.*?)(\d{1,9})", label)
    return None if read is None or re.search(r"\d-$", read[1]) else read


def _one(same: Sequence[Run[Item]], place: int) -> Run[Item]:
    names: list[str | None] = []
    for first, last in zip(same[0].names, same[-1].names, strict=True):
        parts, ends = ((name or "").split(".") for name in (first, last))
        if place < len(parts) and parts[-1 - place] != ends[-1 - place] and (read := _numbered(ends[-1 - place])):
            parts[-1 - place] += f"-{read[2]}"
        names.append(None if first is None else ".".join(parts))
    return Run(tuple(names), same[0].alike, tuple(item for run in same for item in run.items))
