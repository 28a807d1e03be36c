"""Whether a profile keeps to limits, and which modules are to blame where it does not. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from flopsight.analysis.figures import UNKNOWN, by_module, figure, is_bounded
from flopsight.analysis.folding import Run, folded
from flopsight.record import Record

HOLDS, EXCEEDED, UNSURE = "holds", "exceeded", "unknown operators"


@dataclass(frozen=True)
class Blamed:
    """A module, or `times` of them alike, and what it has of a figure itself.

    label: its path. kind: its class. now, before: the figure, and that of the baseline, if there is one.
    """

    label: str
    kind: str
    times: int
    now: int
    before: int | None = None

    @property
    def grew_by(self) -> int:
        """How much more it has than in the baseline; all of it, without one."""
        return self.now - (self.before or 0)


@dataclass(frozen=True)
class Verdict:
    """A figure held to its limit.

    status: `holds`, `exceeded`, or `unknown operators` where the figure is within the limit, but a lower bound that may
    not be trusted. limit: the most that is allowed. baseline: what it was, where that is what it is held to.
    unknown: operators of unknown cost. blamed: what grew, against a baseline; else the largest modules; most first.
    """

    quantity: str
    found: int
    limit: int
    status: str
    baseline: int | None = None
    unknown: tuple[str, ...] = ()
    blamed: tuple[Blamed, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the figure keeps to its limit."""
        return self.status == HOLDS

    @property
    def at_least(self) -> bool:
        """Whether the figure is a lower bound."""
        return bool(self.unknown) and is_bounded(self.quantity)


@dataclass(frozen=True)
class Outcome:
    """What became of a budget. name: of it. verdicts: on its figures. error: why there are none."""

    name: str
    verdicts: tuple[Verdict, ...] = ()
    error: str = ""

    @property
    def holds(self) -> bool:
        """Whether every figure keeps to its limit."""
        return not self.error and all(verdict.holds for verdict in self.verdicts)


@dataclass(frozen=True)
class Baseline:
    """What a model cost before: `totals` of figures by name, and `modules`, what each had of them itself."""

    totals: Mapping[str, int]
    modules: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, record: Record, quantities: tuple[str, ...]) -> Baseline:
        """These figures of a profile. Raises: InputError."""
        modules: dict[str, dict[str, int]] = {}
        for quantity in quantities:
            for path, value in by_module(record, quantity).items():
                if value:
                    modules.setdefault(path, {})[quantity] = value
        return cls({quantity: figure(record, quantity) for quantity in quantities}, modules)


def judged(
    record: Record,
    quantity: str,
    limit: int | None = None,
    *,
    baseline: Baseline | None = None,
    tolerance: Fraction = Fraction(0),
    unknown: int = 0,
) -> Verdict:
    """A figure of a profile held to a limit, or to a baseline that it may exceed by a part.

    unknown: how many calls of unknown cost are allowed. Raises: InputError.
    """
    found = figure(record, quantity)
    before = None if baseline is None else baseline.totals.get(quantity)
    if limit is None:
        assert before is not None, "a figure is held to a limit, or to a baseline that has it"
        limit = int(before * (1 + tolerance))
    unsure = is_bounded(quantity) and figure(record, UNKNOWN) > unknown
    status = EXCEEDED if found > limit else UNSURE if unsure else HOLDS
    return Verdict(
        quantity=quantity,
        found=found,
        limit=limit,
        status=status,
        baseline=before,
        unknown=tuple(record.unknown),
        blamed=() if status == HOLDS else blamed(record, quantity, baseline) or blamed(record, quantity),
    )


def blamed(record: Record, quantity: str, baseline: Baseline | None = None) -> tuple[Blamed, ...]:
    """The modules that grew against a baseline that has the figure, else those that have it; most first."""
    was = None if baseline is None or quantity not in baseline.totals else baseline.modules
    runs = []
    for path, value in by_module(record, quantity).items():
        before = None if was is None else was.get(path, {}).get(quantity, 0)
        if value > (before or 0):
            node = record.modules.get(".".join(filter(None, (record.root, path))))
            kind = node.kind if node else ""
            runs.append(Run((path,), (kind, value, before), (Blamed(path, kind, 1, value, before),)))
    told = [_together(run) for run in folded(runs)]
    return tuple(sorted(told, key=lambda each: -each.grew_by))


def _together(run: Run[Blamed]) -> Blamed:
    """Several modules alike as one."""
    first, times = run.items[0], run.times
    before = None if first.before is None else times * first.before
    return Blamed(run.names[0] or "", first.kind, times, times * first.now, before)
