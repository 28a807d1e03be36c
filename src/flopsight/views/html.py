"""A table for a notebook or a page of its own; everything from the model is escaped."""

from __future__ import annotations

from html import escape
from typing import Any

from flopsight.record import Record
from flopsight.views import View, summary, table
from flopsight.views.table import Layout, Table

STYLE = (
    ".flopsight{font-family:sans-serif;font-size:90%}.flopsight table{border-collapse:collapse;margin:.5em 0}"
    ".flopsight td,.flopsight th{padding:.15em .7em;text-align:left;white-space:pre}"
    ".flopsight .n{text-align:right;font-variant-numeric:tabular-nums}.flopsight thead{border-bottom:1px solid}"
    ".flopsight .low{color:#b00020}"
)


def render(profile: Record, **layout: Any) -> str:
    """The profile as HTML with its own style. layout: fields of a `flopsight.views.table.Layout`."""
    arranged = Layout(**layout)
    built = table.build(profile, arranged)
    parts = [f"<h4>{escape(summary.title(profile))}</h4>"]
    if built.rows:
        parts.append(_rows(built))
    parts.append(_grid([list(line) for line in summary.totals(profile, arranged.convention)], numbers={1}))
    phases = summary.phases(profile)
    if phases:
        parts.append(_grid(phases, numbers={1, 2, 3, 4}))
    missing = summary.unknown(profile)
    if missing:
        parts.append('<p class="low">Unknown cost, missing from the numbers above:</p>')
        parts.append(_grid([list(line) for line in missing], numbers={1}))
    if profile.notes:
        parts.append(
            f"<p>Assumptions:</p><ul>{''.join(f'<li>{escape(note)}</li>' for note in summary.notes(profile))}</ul>"
        )
    return f'<div class="flopsight"><style>{STYLE}</style>\n' + "\n".join(parts) + "\n</div>\n"


def html_cell(text: str, *, number: bool, tag: str = "td", indent: int = 0) -> str:
    """A cell of a table, escaped."""
    look = (' class="n"' if number else "") + (f' style="padding-left:{indent * 1.2 + 0.7:.1f}em"' if indent else "")
    return f"<{tag}{look}>{escape(text)}</{tag}>"


def _rows(built: Table) -> str:
    head = "".join(html_cell(column.title, number=column.is_number, tag="th") for column in built.columns)
    body = "".join(
        "<tr>"
        + "".join(
            html_cell(cell.strip(), number=column.is_number, indent=row.depth if column.name == "name" else 0)
            for column, cell in zip(built.columns, cells, strict=True)
        )
        + "</tr>\n"
        for row, cells in zip(built.rows, built.cells(), strict=True)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


def _grid(rows: list[list[str]], *, numbers: set[int]) -> str:
    lines = ("".join(html_cell(text, number=index in numbers) for index, text in enumerate(row)) for row in rows)
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


VIEW = View("html", "a table for a browser or a notebook", render)
