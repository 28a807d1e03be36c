"""What stands below a table: totals in which every number says what it is, what is unknown, what was assumed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from flopsight import conventions, units
from flopsight.analysis.experts import experts
from flopsight.calls import PHASES
from flopsight.conventions import Convention
from flopsight.record import Record


class Line(NamedTuple):
    """A total: its name, its value, and what it means."""

    name: str
    value: str
    meaning: str


def title(profile: Record) -> str:
    """The model, the module if it is a part of one, and what it was run on."""
    given = inputs(profile)
    address = f" ({profile.about['address']})" if "address" in profile.about else ""
    part = f", module {profile.root}" if profile.root else ""
    return units.printable(f"{profile.model}{address}{part}" + (f" on {given}" if given else ""))


def inputs(profile: Record) -> str:
    """What the model was run on; empty for what is not known."""
    return units.printable(_inputs(profile.about.get("inputs") or []))


def notes(profile: Record) -> list[str]:
    """What was assumed on the way, each a sentence."""
    return list(map(units.printable, profile.notes))


def _inputs(given: Any) -> str:
    """Inputs as `flopsight.profile` records them: lists in brackets, keyword arguments by name."""
    parts = []
    for item in given:
        if isinstance(item, list):
            parts.append(f"[{_inputs(item)}]")
        elif isinstance(item, dict):
            parts += [f"{name}={_inputs([value])}" for name, value in item.items()]
        else:
            parts.append(str(item))
    return ", ".join(parts)


def totals(profile: Record, convention: str | Convention | None = None) -> list[Line]:
    """The totals of a profile."""
    tally = profile.tally()
    unknown = tally.unknown
    low = ">= " if unknown else ""
    missing = f" ({units.plural(len(unknown), 'operator')} unknown)" if unknown else ""

    def line(name: str, number: int, meaning: str) -> Line:
        return Line(name, f"{low}{units.exact(number)}", meaning + missing)

    lines = [
        line("MACs", tally.macs, "multiply-accumulates of contractions"),
        line("FLOPs", tally.flops, "2 x MACs"),
        line("exact", tally.cost.exact, "every scalar operation of every operator"),
    ]
    if tally.effective_macs != tally.macs:
        lines.insert(
            1, line("effective", tally.effective_macs, "MACs without those that attention masks make unnecessary")
        )
    if convention is not None and (found := conventions.get(convention)).name not in ("macs", "flops", "exact"):
        lines.insert(
            0, line(found.name, tally.total(found), f"{found.unit}: {re.split('[.;] ', found.summary.rstrip('.'))[0]}")
        )
    lines += _parameters(profile)
    lines.append(Line("calls", units.exact(tally.calls), "operator calls"))
    return lines


def _parameters(profile: Record) -> list[Line]:
    params = profile.params
    parts = [f"{units.exact(params.trainable)} trainable", f"{units.exact(params.frozen)} frozen"]
    if params.tied:
        parts.append(f"{units.exact(params.tied)} more tied to them")
    lines = [Line("parameters", units.exact(params), f"{', '.join(parts)}; {units.size(params.nbytes)}")]
    if (mixture := experts(profile)) is not None:
        each = f"{mixture.used} of {mixture.experts} experts a token"
        lines.append(Line("active", units.exact(mixture.active_params), f"parameters that one token uses; {each}"))
    if params.buffers:
        lines.append(Line("buffers", units.exact(params.buffers), f"elements; {units.size(params.buffer_bytes)}"))
    return lines


def phases(profile: Record, text: Callable[[int], str] = units.exact) -> list[list[str]]:
    """The totals by phase, a heading first; empty if there was only a forward pass. text: of a number."""
    rows = []
    for phase in PHASES:
        tally = profile.tally(phase=phase)
        if tally.calls:
            low = ">= " if tally.unknown else ""
            numbers = (tally.macs, tally.flops, tally.cost.exact)
            rows.append([phase, *(low + text(number) for number in numbers), units.exact(tally.calls)])
    if [row[0] for row in rows] in ([], ["forward"]):
        return []
    return [["phase", "MACs", "FLOPs", "exact operations", "operator calls"], *rows]


def lower_bound(profile: Record) -> str:
    """That the totals are lower bounds, and why; empty if they are not."""
    unknown = profile.tally().unknown
    return f"lower bound: {units.plural(len(unknown), 'operator')} unknown" if unknown else ""


def unknown(profile: Record) -> list[Line]:
    """The operators whose cost is unknown: calls, and where each was first called."""
    tally = profile.tally()
    lines = []
    for name, kinds in tally.unknown.items():
        site = next((operation.site for operation in kinds if operation.site), None)
        calls = units.plural(sum(tally.counts[operation] for operation in kinds), "call")
        seen = f"first at {site}" if site else "not from a line of yours"
        lines.append(Line(units.printable(name), calls, units.printable(seen)))
    return lines
