"""What a notebook shows of a profile: totals, the tree drawn and as a table; no script, and all escaped."""

from __future__ import annotations

from html import escape
from typing import Any

from flopsight import units
from flopsight.record import Record
from flopsight.views import summary, table
from flopsight.views.icicle import icicle
from flopsight.views.table import Layout, Table

STYLE = (
    ".flopsight{font-family:sans-serif;font-size:90%;max-width:70em}.flopsight .wide{overflow-x:auto}"
    ".flopsight table{border-collapse:collapse;margin:.5em 0}"
    ".flopsight td,.flopsight th{padding:.2em .7em;text-align:left;white-space:pre;background:none;color:inherit}"
    ".flopsight .n{text-align:right;font-variant-numeric:tabular-nums}.flopsight thead{border-bottom:1px solid}"
    ".flopsight .bar{background:linear-gradient(rgb(20 150 140/.35),rgb(20 150 140/.35)) no-repeat 0 50%/0 70%}"
    ".flopsight .low{border-left:4px solid #d98a1f;padding-left:.7em;font-weight:bold}"
    ".flopsight svg{display:block;width:100%;margin:.5em 0}.flopsight text{font-size:12px;fill:currentColor}"
    ".flopsight rect{fill:rgb(128 128 128/.22)}.flopsight .leaf rect{fill:rgb(20 150 140/.35)}"
)
"""No background and no colour of text, which are the notebook's, light or dark."""


def render(profile: Record, **layout: Any) -> str:
    """The profile as HTML with its own style. layout: fields of a `flopsight.views.table.Layout`."""
    arranged = Layout(**layout)
    built = table.build(profile, arranged)
    parts = [f"<h4>{escape(summary.title(profile))}</h4>"]
    parts.append(_grid([list(line) for line in summary.totals(profile, arranged.convention)], numbers={1}))
    missing = summary.unknown(profile)
    if missing:
        parts.append('<p class="low">Unknown cost, missing from the numbers above:</p>')
        parts.append(_grid([list(line) for line in missing], numbers={1}))
    if profile.notes:
        parts.append(
            f"<p>Assumptions:</p><ul>{''.join(f'<li>{escape(note)}</li>' for note in summary.notes(profile))}</ul>"
        )
    parts.append(icicle(profile, arranged.convention or ("macs" if profile.macs else "exact")))
    if built.rows:
        parts.append(_rows(built))
    parts += [f"<p>{escape(units.printable(note))}</p>" for note in built.notes]
    phases = summary.phases(profile)
    if phases:
        parts.append(_grid(phases, numbers={1, 2, 3, 4}))
    return f'<div class="flopsight"><style>{STYLE}</style>\n' + "\n".join(filter(None, parts)) + "\n</div>\n"


def html_cell(text: str, *, number: bool, tag: str = "td", indent: int = 0, share: float | None = None) -> str:
    """A cell of a table, escaped. share: of the whole, in percent, drawn as a bar behind the text."""
    look = ' class="n"' if number else ""
    if share is not None:
        look = f' class="n bar" style="background-size:{share:.1f}% 70%"'
    elif indent:
        look += f' style="padding-left:{indent * 1.2 + 0.7:.1f}em"'
    return f"<{tag}{look}>{escape(text)}</{tag}>"


def _rows(built: Table) -> str:
    head = "".join(html_cell(column.title, number=column.is_number, tag="th") for column in built.columns)
    body = "".join(
        "<tr>"
        + "".join(
            html_cell(
                cell.strip(),
                number=column.is_number,
                indent=row.depth if column.name == "name" else 0,
                share=column.value(row) if column.name == "share" else None,
            )
            for column, cell in zip(built.columns, cells, strict=True)
        )
        + "</tr>\n"
        for row, cells in zip(built.rows, built.cells(), strict=True)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _grid(rows: list[list[str]], *, numbers: set[int]) -> str:
    lines = ("".join(html_cell(text, number=index in numbers) for index, text in enumerate(row)) for row in rows)
    return f'<div class="wide"><table>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'
