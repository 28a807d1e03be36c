"""Why two tools disagree about one model: what each convention counts, part by part. Needs no torch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from flopsight import conventions
from flopsight.conventions import Convention
from flopsight.record import Record

_FIRST = ("contractions", "biases")


@dataclass(frozen=True)
class Explanation:
    """The counts of several conventions side by side.

    model: its name. conventions: those compared; the first is what the others are held against.
    rows: for each part (`contractions`, `biases`, `normalization`, ...) the counts, one a convention; a part that no
    convention counts is left out. operators: for each part, the operators that it is made of.
    masked_macs: multiply-accumulates that attention masks make unnecessary; every convention counts them.
    unknown: operators whose cost is not known; no convention counts them.
    """

    model: str
    conventions: tuple[Convention, ...]
    rows: Mapping[str, tuple[int, ...]]
    operators: Mapping[str, tuple[str, ...]]
    masked_macs: int = 0
    unknown: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the conventions."""
        return tuple(convention.name for convention in self.conventions)

    @property
    def totals(self) -> dict[str, int]:
        """The total of each convention, by name: the sum of its column."""
        return {name: sum(counts[index] for counts in self.rows.values()) for index, name in enumerate(self.names)}

    def differences(self, name: str) -> dict[str, int]:
        """Where a convention parts from the first: by part, what it counts more (or less), largest first.

        Raises: ConventionError for a convention that is not compared.
        """
        if name not in self.names:
            raise conventions.unknown(name, list(self.names))
        index = self.names.index(name)
        parts = {part: counts[index] - counts[0] for part, counts in self.rows.items() if counts[index] != counts[0]}
        return dict(sorted(parts.items(), key=lambda item: -abs(item[1])))


def explain(profile: Record, *names: str | Convention, phase: str | None = None) -> Explanation:
    """Compare conventions on a profile, of all phases or of one; with no names, all that count operations.

    Raises: ConventionError, ValueError for an unknown phase.
    """
    known = [name for name in conventions.names() if conventions.get(name).unit != "bytes"]
    compared = tuple(map(conventions.get, names or known))
    tally = profile.tally(phase=phase)
    columns: list[Counter[str]] = [Counter() for _ in compared]
    operators: defaultdict[str, set[str]] = defaultdict(set)
    for operation, calls in tally.counts.items():
        if operation.cost is None:
            continue
        for column, convention in zip(columns, compared, strict=True):
            for part, count in convention.parts(operation).items():
                column[part] += calls * count
                if count:
                    operators[part].add(operation.name)
    return Explanation(
        model=profile.model,
        conventions=compared,
        rows={part: tuple(column[part] for column in columns) for part in _ordered(columns)},
        operators={part: tuple(sorted(names)) for part, names in operators.items()},
        masked_macs=tally.cost.masked_macs,
        unknown=tuple(tally.unknown),
    )


def _ordered(columns: list[Counter[str]]) -> list[str]:
    """The parts that some convention counts: contractions, biases, then by the largest count."""
    largest = {part: max(column[part] for column in columns) for column in columns for part in column}
    rest = sorted(set(largest) - set(_FIRST), key=lambda part: (-largest[part], part))
    return [part for part in (*_FIRST, *rest) if largest.get(part)]
