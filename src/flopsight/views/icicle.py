"""The module tree as a drawing that needs no script: boxes as wide as their share, below the module that holds them."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from flopsight import units
from flopsight.conventions import Convention
from flopsight.record import Record
from flopsight.views.tree import Branch, roots

_WIDTH, _HEIGHT = 1000, 22
_LETTER = 7
_NARROWEST = 2
_LEVELS = 6


def icicle(profile: Record, convention: str | Convention) -> str:
    """An SVG of the tree by a convention; empty where it counts nothing. Texts of the model are escaped."""
    whole = profile.total(convention)
    if not whole:
        return ""
    boxes: list[str] = []
    left, deepest = 0.0, 0
    for branch in roots(profile):
        for box, level in _boxes(branch, left, 0, whole, convention):
            boxes.append(box)
            deepest = max(deepest, level)
        left += _WIDTH * branch.tally.total(convention) / whole
    height = (deepest + 1) * _HEIGHT
    name = escape(f"Modules of {units.printable(profile.model)}, as wide as their share", quote=True)
    drawn = "\n".join(boxes)
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{name}">\n{drawn}\n</svg>'


def _boxes(
    branch: Branch, left: float, level: int, whole: int, convention: str | Convention
) -> Iterator[tuple[str, int]]:
    count = branch.tally.total(convention)
    width = _WIDTH * count / whole
    if width < _NARROWEST:
        return
    yield _box(branch, left, width, level, f"{units.count(count)}, {units.share(count, whole)}"), level
    if level + 1 < _LEVELS:
        for child in branch.children:
            yield from _boxes(child, left, level + 1, whole, convention)
            left += _WIDTH * child.tally.total(convention) / whole


def _box(branch: Branch, left: float, width: float, level: int, says: str) -> str:
    label = units.printable(branch.label)
    fits = label if len(label) * _LETTER < width - 8 else ""
    title = escape(f"{units.printable(branch.path) or label} ({units.printable(branch.node.kind)}): {says}")
    top = level * _HEIGHT
    leaf = "" if branch.children else ' class="leaf"'
    return (
        f'<g{leaf}><title>{title}</title><rect x="{left:.1f}" y="{top}" width="{width - 1:.1f}" '
        f'height="{_HEIGHT - 1}" rx="2"/><text x="{left + 5:.1f}" y="{top + 15}">{escape(fits)}</text></g>'
    )
