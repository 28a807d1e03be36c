"""Models beside each other, a row each. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from flopsight.record import Record


@dataclass(frozen=True)
class Compared:
    """A model in a comparison.

    name: as it was given. record: what it cost; None where that is not known. reason: why it is not.
    """

    name: str
    record: Record | None
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """What several models cost, a row each, in the order they were given.

    rows: the models. columns: what is shown of each, by name.
    """

    rows: tuple[Compared, ...]
    columns: tuple[str, ...]

    @property
    def failed(self) -> tuple[Compared, ...]:
        """The models that could not be measured, each with its reason."""
        return tuple(row for row in self.rows if row.record is None)

    def __getitem__(self, name: str) -> Compared:
        """The row of that name. Raises: KeyError with the names there are."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"There is no row {name!r}; there are {', '.join(repr(row.name) for row in self.rows)}.")
