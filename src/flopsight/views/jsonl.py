"""Rows for other programs as JSON Lines: an object for each module (unfolded) or operator, whole numbers, no totals."""

from __future__ import annotations

import json
from typing import Any

from flopsight.record import Record
from flopsight.views import View, columns, table


def render(profile: Record, **layout: Any) -> str:
    """The profile as JSON Lines; where costs are unknown, `unknown` has the number of calls that are not counted.

    layout: fields of a `flopsight.views.table.Layout`.
    """
    names, values = table.flat(profile, **layout)
    written = []
    for row, cells in zip(table.unfolded(profile, **layout).rows, values, strict=True):
        unknown = {"unknown": columns.get("unknown").value(row)} if row.tally.unknown else {}
        written.append(json.dumps({**dict(zip(names, cells, strict=True)), **unknown}))
    return "".join(f"{line}\n" for line in written)


VIEW = View("jsonl", "a row for each module or operator as an object of JSON Lines, whole numbers", render)
