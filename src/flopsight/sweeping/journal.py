"""The rows of a sweep as they come, in a file beside the table, so that one that was interrupted goes on where it was.

The first line is what the rows were made with; each line after it is a row. A line without its end was being written
when the sweep was killed: its model is run again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from flopsight.errors import InputError
from flopsight.sweeping import rows
from flopsight.sweeping.rows import Row


class Journal:
    """The rows of a table so far, by the model's name, and the open file that keeps them, if any."""

    def __init__(self, table: Path | None = None, file: BinaryIO | None = None) -> None:
        self.rows: dict[str, Row] = {}
        self._table, self._file = table, file

    def add(self, row: Row) -> None:
        """Keep a row; it is in the file when this returns."""
        self.rows[row.name] = row
        if self._file is not None:
            self._file.write(f"{json.dumps(asdict(row))}\n".encode())
            self._file.flush()

    def finish(self, names: Sequence[str]) -> list[Row]:
        """The rows of these models, in this order, which are the table; it is written, and the journal removed."""
        table = [self.rows[name] for name in names]
        if self._table is not None:
            rows.write(table, self._table)
            _path(self._table).unlink()
        return table


@contextmanager
def journal(table: Path | None, settings: Mapping[str, Any]) -> Iterator[Journal]:
    """The journal of a table, begun or gone on with; without a table, none is kept.

    Raises: InputError if it was begun with other settings, or the table cannot be written.
    """
    if table is None:
        yield Journal()
        return
    rows.form(table)
    path = _path(table)
    try:
        file = path.open("a+b")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    with file:
        file.seek(0)
        lines = file.read().splitlines(keepends=True)
        whole = lines[:-1] if lines and not lines[-1].endswith(b"\n") else lines
        file.truncate(sum(map(len, whole)))
        kept = Journal(table, file)
        if whole:
            kept.rows.update(_read(path, whole, settings))
        else:
            file.write(f"{json.dumps(settings)}\n".encode())
        yield kept


def _path(table: Path) -> Path:
    return table.with_name(f"{table.name}.journal")


def _read(path: Path, lines: list[bytes], settings: Mapping[str, Any]) -> dict[str, Row]:
    wish = f"Delete {path} to begin anew."
    try:
        begun, *found = map(json.loads, lines)
        read = {row["name"]: Row(**row) for row in found}
        different = [name for name in {**begun, **settings} if begun.get(name) != settings.get(name)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is no journal of a sweep: {error}. {wish}") from error
    for name in different:
        raise InputError(
            f"{path} was begun with {name} {begun.get(name)}, where it is {settings.get(name)} now, and one table does "
            f"not mix the two. Go on with what it was begun with, or delete {path} to begin anew."
        )
    return read
