"""What fits into a memory, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flopsight import units
from flopsight.analysis.fitting import Fit, Row
from flopsight.views.drawing import lines

_COLUMNS = ("", "peak", "fits", "most of it", "largest batch")
_LEFT = ("", "fits", "most of it")
AS_GIVEN = "as given"


def render(fit: Fit) -> str:
    """A row for the program as given and for each change; then what to change first, and what is not counted."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name in _LEFT else "right", no_wrap=True)
    for row in fit.rows:
        if row.error is None:
            table.add_row(*map(Text, _cells(fit, row)))
    return "\n".join([*lines(Text(_title(fit)), table), "", *sentences(fit)]) + "\n"


def verdict(fit: Fit) -> str:
    """Whether it fits as given; if not, what is needed, and what to change first."""
    peak = fit.as_given.peak_bytes or 0
    if fit.fits:
        return f"It fits: {units.size(peak)} at a batch of {units.exact(fit.batch)}."
    over = units.size(peak - fit.memory_bytes)
    needed = (
        f"It does not fit: {units.size(peak)} are needed at a batch of {units.exact(fit.batch)}, {over} more than "
        "there are."
    )
    change = fit.first_change
    if change is None:
        return f"{needed} None of the changes takes less; give it more memory, or a smaller batch."
    fits = "and fits" if fit.holds(change) else "which does not fit either"
    return f"{needed} What helps most is {change.name}: {units.size(change.peak_bytes or 0)}, {fits}."


def sentences(fit: Fit) -> Iterator[str]:
    """The verdict, what could not be run, and what the figures leave out."""
    yield verdict(fit)
    parts = ", ".join(f"{kind} {units.size(nbytes)}" for kind, nbytes in (fit.as_given.at_peak or {}).items())
    yield f"As given, the peak is: {parts}."
    for row in fit.rows:
        if row.error is not None:
            yield units.printable(f"{row.name} cannot be said: {row.error}")
    yield from map(units.printable, fit.notes)
    yield (
        "Counted is what tensors take. What a device's context, the work space of kernels and the gaps between tensors "
        "take comes on top."
    )


def _title(fit: Fit) -> str:
    what = f"{fit.model}: {fit.step}, batch of {units.exact(fit.batch)}, in {units.size(fit.memory_bytes)}"
    return units.printable(what)


def _cells(fit: Fit, row: Row) -> list[str]:
    parts = row.at_peak or {}
    kind = max(parts, key=parts.__getitem__, default="")
    most = f"{kind} {units.size(parts[kind])}" if kind else ""
    largest = row.largest_batch or 0
    return [
        row.name or AS_GIVEN,
        units.size(row.peak_bytes or 0),
        "yes" if fit.holds(row) else "no",
        most,
        f"{'>= ' * row.at_least}{units.exact(largest)}" if largest else "none",
    ]
