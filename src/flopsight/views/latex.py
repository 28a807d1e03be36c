"""A table for a paper, in the style of booktabs."""

from __future__ import annotations

from typing import Any

from flopsight.record import Record
from flopsight.views import View, summary, table
from flopsight.views.latex_text import latex_table
from flopsight.views.table import Layout


def render(profile: Record, **layout: Any) -> str:
    """A `tabular`, and as a comment what it is of. layout: fields of a `flopsight.views.table.Layout`."""
    built = table.build(profile, Layout(**layout))
    numbers = {index for index, column in enumerate(built.columns) if column.is_number}
    cells = [[cell.strip() for cell in row] for row in built.cells()]
    written = latex_table([column.title for column in built.columns], numbers, cells, [row.depth for row in built.rows])
    said = [summary.title(profile), *built.notes, r"Needs \usepackage{booktabs}."]
    return "".join(f"% {sentence}\n" for sentence in said) + written


VIEW = View("latex", "a table for a paper, in the style of booktabs", render)
