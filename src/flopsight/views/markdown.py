"""A table for a README or a pull request."""

from __future__ import annotations

import re
from typing import Any

from flopsight.record import Record
from flopsight.views import View, summary, table
from flopsight.views.table import Layout


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", text)


def line(cells: list[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def render(profile: Record, **layout: Any) -> str:
    """The profile as Markdown. layout: fields of a `flopsight.views.table.Layout`."""
    arranged = Layout(**layout)
    built = table.build(profile, arranged)
    lines = [f"**{escaped(summary.title(profile))}**", ""]
    if built.rows:
        lines += [
            line([escaped(column.title) for column in built.columns]),
            line(["--:" if column.is_number else ":--" for column in built.columns]),
        ]
        for row, cells in zip(built.rows, built.cells(), strict=True):
            texts = [escaped(cell.strip()) for cell in cells]
            lines.append(line(["&nbsp;" * 4 * row.depth + texts[0], *texts[1:]]))
        lines += ["", *(f"{escaped(note)}\n" for note in built.notes)]
    lines += [
        f"- {escaped(t.name)}: {t.value} ({escaped(t.meaning)})" for t in summary.totals(profile, arranged.convention)
    ]
    lines += [f"- unknown: {escaped(f'{u.name}, {u.value}, {u.meaning}')}" for u in summary.unknown(profile)]
    lines += [f"- assumed: {escaped(note)}" for note in summary.notes(profile)]
    phases = summary.phases(profile)
    if phases:
        lines += ["", line(phases[0]), line([":--", *["--:"] * (len(phases[0]) - 1)]), *map(line, phases[1:])]
    return "\n".join(lines) + "\n"


VIEW = View("markdown", "a table for a README or a pull request", render)
