"""A treemap: a rectangle for each module, in that of the module around it, as large as what it has of a quantity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from flopsight import units
from flopsight.errors import InputError, MissingLibraryError
from flopsight.record import Record, Tally
from flopsight.views.axes import DARK, PALETTE
from flopsight.views.columns import Column, Row
from flopsight.views.plots._parts import AS_IS, REST, REST_COLOR, column, name, whole
from flopsight.views.table import fitting_depth
from flopsight.views.tree import Branch, roots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 12
"""Modules in a rectangle; the others are one."""

_NEARLY_ALL = 0.85
_AROUND_COLOR = "0.9"

_FONT = 8
_LINE_INCH = 1.5 * _FONT / 72
_LETTER_INCH = 0.62 * _FONT / 72
_GAP_INCH = 0.03


class _Box(NamedTuple):
    """A rectangle, in inches."""

    left: float
    bottom: float
    width: float
    height: float


class _Part(NamedTuple):
    """What a rectangle stands for: a module with what is in it, a module's own code, or the rest."""

    label: str
    amount: int
    inside: tuple[_Part, ...] = ()


def draw(
    profile: Record, axes: Axes, *, quantity: str | None = None, depth: int | None = None, top: int = _MOST
) -> None:
    """Rectangles down to a depth (as many levels as fit if not given), `top` of them at most in each.

    Raises: InputError for a depth below 1 and where there is nothing of the quantity; MissingLibraryError.
    """
    of = column(profile, quantity)
    tree = roots(profile)
    levels = max(1, fitting_depth(tree)) if depth is None else depth
    if levels < 1 or top < 1:
        raise InputError(f"A treemap has a depth and a top of 1 or more; these are {levels} and {top}.")
    if not (total := whole(profile, of)):
        raise InputError(f"{profile.model} has no {of.title}; draw another quantity.")
    parts = [part for branch in tree for part in (_part(branch, of, levels, top).inside or [_part(branch, of, 0, top)])]
    extent = axes.get_window_extent()
    width, height = (side / axes.figure.dpi for side in (extent.width, extent.height))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    _fill(axes, parts, _Box(0, 0, width, height), None, total)
    name(axes, profile, of)


def _part(branch: Branch, of: Column, depth: int, top: int) -> _Part:
    """A module with those in it, the largest first, down to a depth."""
    amount = of.value(Row("", "", branch.tally, params=branch.params))
    if depth <= 0 or not branch.children:
        return _Part(branch.label, amount)
    inside = [part for child in branch.children if (part := _part(child, of, depth - 1, top)).amount]
    if own := of.value(Row("", "", Tally(branch.own), params=branch.own_params)):
        inside.append(_Part("(own code)", own))
    inside.sort(key=lambda part: -part.amount)
    if rest := sum(part.amount for part in inside[top:]):
        inside = [*inside[:top], _Part(REST, rest)]
    return _Part(branch.label, amount, tuple(inside))


def _laid(parts: list[_Part], box: _Box) -> Iterator[tuple[_Part, _Box]]:
    """Where each of some parts is in a rectangle that they fill. Raises: MissingLibraryError."""
    try:
        import squarify
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            "A treemap needs the library squarify, which is not installed. Install it with: "
            "pip install 'flopsight[plot]'"
        ) from error
    order = sorted(parts, key=lambda part: -part.amount)
    sizes = squarify.normalize_sizes([part.amount for part in order], box.width, box.height)
    for part, at in zip(order, squarify.squarify(sizes, *box), strict=True):
        yield part, _Box(at["x"], at["y"], at["dx"], at["dy"])


def _fill(axes: Axes, parts: list[_Part], box: _Box, color: str | None, total: int) -> None:
    """Draw parts that fill a rectangle. Without a colour each gets its own, unless one of them is nearly all."""
    amounts = [part.amount for part in parts]
    colors = PALETTE if color is None and max(amounts) < _NEARLY_ALL * sum(amounts) else [color]
    for number, (part, at) in enumerate(_laid(parts, box)):
        _draw(axes, part, at, REST_COLOR if part.label == REST else colors[number % len(colors)], total)


def _draw(axes: Axes, part: _Part, box: _Box, color: str | None, total: int) -> None:
    """A rectangle with its name where there is room, and those in it below the name."""
    from matplotlib.patches import Rectangle

    patch = Rectangle(box[:2], box.width, box.height, facecolor=color or _AROUND_COLOR, edgecolor="white", linewidth=1)
    axes.add_patch(patch)
    label = _fitting(f"{units.printable(part.label)}  {units.share(part.amount, total)}", box.width)
    if label and box.height > _LINE_INCH:
        place = (box.left + _GAP_INCH, box.bottom + box.height - _LINE_INCH / 2)
        letters = "white" if color in DARK else "black"
        axes.text(*place, label, va="center", fontsize=_FONT, color=letters, clip_path=patch, clip_on=True, **AS_IS)
    inside = box.height - _LINE_INCH - _GAP_INCH
    inner = _Box(box.left + _GAP_INCH, box.bottom + _GAP_INCH, box.width - 2 * _GAP_INCH, inside)
    if part.inside and min(inner.width, inner.height) > _LINE_INCH:
        _fill(axes, list(part.inside), inner, color, total)


def _fitting(label: str, width: float) -> str:
    """The label, or its beginning, where there is room for enough of it."""
    letters = int((width - 2 * _GAP_INCH) / _LETTER_INCH)
    if len(label) <= letters:
        return label
    shorter = label.partition("  ")[0]
    return shorter if len(shorter) <= letters else f"{shorter[: letters - 1]}…" if letters > 3 else ""
