"""Whether a program fits into a memory, what would fit, and the largest batch that does. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

MOST = 2**20
"""The largest batch that is looked for."""
_FAR = 16
"""How many times the largest batch that is known to fit the next one to look at is at most: a line may change."""


@dataclass(frozen=True)
class Row:
    """One way to run a model, and the memory that it takes.

    name: what is changed; empty for the program as given. changes: how many things are. batch: the examples of the
    step that `peak_bytes` and `at_peak`, the peak's parts by what they are kept for, are of. largest_batch: the largest
    that fits, 0 if one example does not. at_least: whether more may fit, since no more were looked for or could be run.
    error: why the changed program does not run; the figures are None then.
    """

    name: str
    changes: int
    batch: int
    peak_bytes: int | None = None
    at_peak: Mapping[str, int] | None = None
    largest_batch: int | None = None
    at_least: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Fit:
    """What fits into a memory of so many bytes, each row from a run of the changed program.

    model: its name. step: what is run, in words. batch: the examples that were asked for. rows: the program as given
    first. notes: what the runs assumed, and what was not tried.
    """

    model: str
    step: str
    memory_bytes: int
    batch: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def as_given(self) -> Row:
        """The program without a change."""
        return self.rows[0]

    @property
    def fits(self) -> bool:
        """Whether the program fits as it was given."""
        return self.holds(self.as_given)

    def holds(self, row: Row) -> bool:
        """Whether the memory holds the peak of a row."""
        return row.peak_bytes is not None and row.peak_bytes <= self.memory_bytes

    def __getitem__(self, name: str) -> Row:
        """The row of that name. Raises: KeyError with the names there are."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"There is no row {name!r}; there are {', '.join(repr(row.name) for row in self.rows)}.")

    @property
    def first_change(self) -> Row | None:
        """What helps most: of the single changes that fit, else of all rows, the one with the lowest peak.

        None if nothing takes less than the program as given.
        """
        lower = [
            row for row in self.rows if row.peak_bytes is not None and row.peak_bytes < (self.as_given.peak_bytes or 0)
        ]
        single = [row for row in lower if row.changes == 1 and self.holds(row)]
        return min(single or lower, key=lambda row: row.peak_bytes or 0, default=None)


def largest(
    peak_at: Callable[[int], int | None], memory_bytes: int, first: int = 1, most: int = MOST
) -> tuple[int, bool]:
    """The largest batch up to `most` whose peak fits, 0 if one example does not; and whether more may fit.

    A peak grows with the batch, in straight pieces: the next batch to look at is where the line through two known ones
    meets the memory. What is returned fits, and one more example does not, by runs of both; where the line misleads,
    every third step halves what is left. peak_at: None for a batch that cannot be run. first: where to begin.
    """
    peaks: dict[int, int] = {}
    low, high, steps, batch = 0, most + 1, 0, min(first, most)
    while True:
        peak = peak_at(batch)
        if peak is not None:
            peaks[batch] = peak
        low, high = (batch, high) if peak is not None and peak <= memory_bytes else (low, batch)
        if high - low == 1:
            return low, low > 0 and high not in peaks
        steps += 1
        halving = steps % 3 == 0 and high <= most
        guess = (low + high) // 2 if halving else _guess(peaks, memory_bytes, low, high)
        batch = max(low + 1, min(guess, high - 1))


def _guess(peaks: Mapping[int, int], memory_bytes: int, low: int, high: int) -> int:
    """Where the line through the known batches around the end of the memory meets it."""
    if low == 0:
        return 1
    known = sorted(peaks)
    there = known.index(low)
    around = known[there : there + 2] if high in peaks else known[max(there - 1, 0) : there + 1]
    if len(around) < 2 or peaks[around[0]] >= peaks[around[1]]:
        return 2 * low
    slope_bytes, batches = peaks[around[1]] - peaks[around[0]], around[1] - around[0]
    return min(low + (memory_bytes - peaks[low]) * batches // slope_bytes, _FAR * low)
