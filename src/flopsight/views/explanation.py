"""An explanation as text for a terminal, and as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from flopsight import units
from flopsight.analysis.explain import Explanation
from flopsight.views.drawing import lines


def render(explanation: Explanation) -> str:
    """The table, and under it a sentence for each convention that differs from the first."""
    title = f"{units.printable(explanation.model)}: what each convention counts"
    table = Table(title=Text(title), title_justify="left", box=SIMPLE, show_footer=True)
    header, *rows, totals = _cells(explanation)
    for index, (name, total) in enumerate(zip(header, totals, strict=True)):
        table.add_column(Text(name), total, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return "\n".join([*filter(None, lines(table)), "", *sentences(explanation)])


def markdown(explanation: Explanation) -> str:
    """The table and the sentences as Markdown."""
    header, *rows = _cells(explanation)
    rows = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([table, "", *(f"- {sentence}" for sentence in sentences(explanation))])


def sentences(explanation: Explanation) -> Iterator[str]:
    """How far each convention is from the first, and by which parts; then what concerns them all."""
    reference, *others = explanation.names
    totals = explanation.totals
    unit = {convention.name: convention.unit for convention in explanation.conventions}
    for name in others:
        apart = totals[name] - totals[reference]
        parts = ", ".join(
            f"{units.printable(part)} {units.difference(count)}"
            for part, count in explanation.differences(name).items()
        )
        if not parts:
            yield f"{name} counts the same as {reference}."
        else:
            share = f" ({units.share(abs(apart), totals[reference])})" if totals[reference] else ""
            direction = "more than" if apart > 0 else "less than"
            amount = f"{units.exact(abs(apart))}{share} {direction}" if apart else "as much in total as"
            units_differ = f", in {unit[name]} instead of {unit[reference]}" if unit[name] != unit[reference] else ""
            yield f"{name} counts {amount} {reference}{units_differ}: {parts}."
    if explanation.masked_macs:
        masked = units.exact(explanation.masked_macs)
        yield f"Attention masks make {masked} MACs unnecessary; every convention counts them all the same."
    if explanation.unknown:
        yield f"Lower bounds: {', '.join(map(units.printable, explanation.unknown))} unknown."


def _cells(explanation: Explanation) -> Iterator[list[str]]:
    """Header, rows, totals; with two conventions, a last column holds their difference."""
    paired = len(explanation.conventions) == 2
    header = [f"{convention.name}, {convention.unit}" for convention in explanation.conventions]
    yield ["part", *header, *(["difference"] if paired else [])]
    for part, counts in [*explanation.rows.items(), ("total", tuple(explanation.totals.values()))]:
        apart = [units.difference(counts[1] - counts[0])] if paired else []
        yield [units.printable(part), *map(units.exact, counts), *apart]
