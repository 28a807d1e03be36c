"""A real run beside its least time, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flopsight import units
from flopsight.analysis.measured import Measurement
from flopsight.analysis.roofline import together
from flopsight.views.drawing import lines
from flopsight.views.table import fitting_depth
from flopsight.views.tree import Branch, roots

_COLUMNS = ("module", "measured", "least time", "through memory", "bound by")


def render(measurement: Measurement, *, depth: int | None = None) -> str:
    """A row for each module, down to a depth (as many levels as fit if not given); then the whole run."""
    roofline = measurement.roofline
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name in ("module", "bound by") else "right", no_wrap=True)
    top, works = roots(roofline.record), roofline.by_module()
    levels = fitting_depth(top) if depth is None else depth

    def rows(branch: Branch, level: int) -> Iterator[list[str]]:
        took = [measurement.modules_s[path] for path in branch.paths if path in measurement.modules_s]
        work = together(works[path] for path in branch.paths)
        measured = units.time(sum(took)) if took else "-"
        times = [measured, units.time(work.least_s), units.time(work.streamed_s)]
        yield ["  " * level + branch.label, *times, work.bound or "-"]
        if level < levels:
            for child in branch.children:
                yield from rows(child, level + 1)

    for row in (row for branch in top for row in rows(branch, 0)):
        table.add_row(*map(Text, map(units.printable, row)))
    device = roofline.device.title or roofline.device.name
    title = units.printable(f"{roofline.record.model} on {measurement.on}, against {device}")
    return "\n".join([*lines(Text(title), table), "", *sentences(measurement)]) + "\n"


def sentences(measurement: Measurement) -> Iterator[str]:
    """The whole run: how long it took, how far from the least time, and how much of the device it used."""
    roofline = measurement.roofline
    yield (
        f"Measured: {units.time(measurement.seconds)}, the median of {measurement.runs} runs (quartiles "
        f"{units.time(measurement.spread_s)} apart, fastest {units.time(measurement.best_s)}); modules with clocks."
    )
    yield (
        f"Least time of a repeated run: {units.time(roofline.repeated_s)}; measured is "
        f"{units.ratio(measurement.ratio)} times that."
    )
    yield str(measurement.utilisation)
    if roofline.record.unknown:
        names = ", ".join(map(units.printable, roofline.record.unknown))
        yield f"Unknown is not zero: the least time of {names} is missing."
