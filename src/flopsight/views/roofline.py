"""Time at best, as text for a terminal: a row for each module, then what the words mean."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flopsight import units
from flopsight.analysis.roofline import Roofline, Work, together
from flopsight.views.drawing import lines
from flopsight.views.table import fitting_depth
from flopsight.views.tree import Branch, roots

_COLUMNS = ("", "operations", "bytes", "operations per byte", "bound by", "least time", "%", "through memory")


def render(roofline: Roofline, *, depth: int | None = None, by: str = "module") -> str:
    """The time at best by module, down to a depth (as many levels as fit if not given), or by operator, say."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for index, name in enumerate(_COLUMNS):
        words = index in (0, _COLUMNS.index("bound by"))
        table.add_column(by if index == 0 else name, justify="left" if words else "right", no_wrap=True)
    rows = _by_module(roofline, depth) if by == "module" else roofline.by(by).items()
    for label, work in rows:
        table.add_row(*map(Text, map(units.printable, _cells(label, work, roofline.least_s))))
    return "\n".join([*lines(Text(title(roofline)), table), "", *sentences(roofline)]) + "\n"


def title(roofline: Roofline) -> str:
    """The model, the device and how it is run."""
    way = "fused, as a compiler runs it at best" if roofline.fused else "operator by operator"
    device = roofline.device.title or roofline.device.name
    dtype = f", products in {roofline.compute_dtype}" if roofline.compute_dtype else ""
    return units.printable(f"{roofline.record.model} on {device}, {way}{dtype}")


def sentences(roofline: Roofline) -> Iterator[str]:
    """What the figures are, the energy, and what is not in them."""
    device = roofline.device
    yield (
        f"Least time: {units.time(roofline.least_s)}, with the parameters in memory: no run is faster, by the "
        "operators' own algorithms."
    )
    if units.time(roofline.repeated_s) != units.time(roofline.least_s):
        yield f"A run right after another: {units.time(roofline.repeated_s)}, where the cache still holds parameters."
    yield (
        f"Through memory: {units.time(roofline.streamed_s)}, if every operator's tensors pass through memory "
        f"({units.rate(device.memory_bytes_per_s, 'B')}) and none is found in a cache."
    )
    if roofline.joules is not None:
        yield (
            f"Joules at best: {roofline.joules:.3g} J, the least time at the power limit of {device.power_limit_w:g} W."
        )
    if roofline.record.unknown:
        names = ", ".join(map(units.printable, roofline.record.unknown))
        yield f"Unknown is not zero: the time of {names} is missing."


def _by_module(roofline: Roofline, depth: int | None) -> Iterator[tuple[str, Work]]:
    top = roots(roofline.record)
    levels = fitting_depth(top) if depth is None else depth
    whole, own = roofline.by_module(), roofline.by("module")

    def rows(branch: Branch, level: int) -> Iterator[tuple[str, Work]]:
        indent = "  " * level
        yield f"{indent}{branch.label}", together(whole[path] for path in branch.paths)
        if level < levels and branch.children:
            alone = together(own[path] for path in branch.paths if path in own)
            if alone.operations or alone.nbytes:
                yield f"{indent}  (own code)", alone
            for child in branch.children:
                yield from rows(child, level + 1)

    for branch in top:
        yield from rows(branch, 0)


def _cells(label: str, work: Work, whole_s: float) -> list[str]:
    return [
        label,
        units.count(work.operations),
        units.size(work.nbytes),
        units.ratio(work.intensity),
        work.bound or "-",
        units.time(work.least_s),
        units.share(work.least_s, whole_s),
        units.time(work.streamed_s),
    ]
