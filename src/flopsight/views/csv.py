"""Rows for a spreadsheet: one for each module (unfolded) or operator, whole numbers, no totals."""

from __future__ import annotations

import csv
import io
from typing import Any

from flopsight import units
from flopsight.record import Record
from flopsight.views import View, table


def render(profile: Record, **layout: Any) -> str:
    """The profile as CSV. layout: fields of a `flopsight.views.table.Layout`."""
    columns, rows = table.flat(profile, **layout)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return stream.getvalue()


def cell(value: Any) -> Any:
    """A text that a spreadsheet does not take for a formula; numbers as they are."""
    if not isinstance(value, str):
        return value
    return f"'{units.printable(value)}" if value[:1] in _FORMULA else units.printable(value)


_FORMULA = ("=", "+", "-", "@")

VIEW = View("csv", "a row for each module or operator, whole numbers", render)
