"""What tests ask of a cost: profiles whose figures know where they come from, and baselines beside the test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from flopsight import baselines, units
from flopsight.analysis.budget import EXCEEDED, HOLDS, Baseline, Verdict, blamed, judged
from flopsight.analysis.figures import PEAK, UNKNOWN, figure
from flopsight.conventions import Convention
from flopsight.errors import InputError
from flopsight.profiles import Profile
from flopsight.record import ParameterCount
from flopsight.views.budget import blamed_text, figure_title, sentence

FOLDER = "costs"
_NAMED = 4
_COMPARISONS = ("<", "<=", "==", ">", ">=", "!=")


class Figure:
    """A number that knows which it is, and of what: where an assertion on it fails, the message names modules."""

    profile: MeasuredProfile
    quantity: str


class Count(int, Figure):
    """A count of operations."""


class ParameterFigure(ParameterCount, Figure):
    """A number of parameters."""


class MeasuredProfile(Profile):
    """A profile in a test; `macs`, `flops`, `params` and `total(...)` are figures that know where they come from.

    baseline: what the model cost when it was written down, None if it never was.
    """

    baseline: Baseline | None = None

    def _figure(self, quantity: str, value: int) -> Count:
        made = Count(value)
        made.profile, made.quantity = self, quantity
        return made

    @property
    def macs(self) -> int:
        """Multiply-accumulates of contractions, all phases."""
        return self._figure("macs", super().macs)

    @property
    def flops(self) -> int:
        """Floating-point operations of contractions, all phases."""
        return self._figure("flops", super().flops)

    @cached_property
    def params(self) -> ParameterFigure:
        """Parameter elements, as `Profile.params`."""
        counted = super().params
        made = ParameterFigure(counted)
        vars(made).update(vars(counted), profile=self, quantity="params")
        return made

    def total(self, convention: str | Convention = "flops", *, phase: str | None = None, reuse: str = "every") -> int:
        """The count under a convention, as `Profile.total`."""
        value = super().total(convention, phase=phase, reuse=reuse)
        whole = isinstance(convention, str) and phase is None and reuse == "every"
        return self._figure(str(convention), value) if whole else value


class Costs:
    """The fixture `cost`: measures models in a test, and knows what they cost before."""

    def __init__(self, test: Path, name: str, *, update: bool) -> None:
        self._file = test.parent / FOLDER / f"{test.stem}.json"
        self._name = name
        self._update = update
        self._made: dict[str, Baseline] = {}
        self._calls = 0

    def __call__(self, model: Any, inputs: Any = None, *, unknown: int = 0, **options: Any) -> MeasuredProfile:
        """The profile of a call of the model.

        model, inputs, options: as for `flopsight.profile`. unknown: how many calls of unknown cost are allowed.

        Raises: what `flopsight.profile` does; AssertionError if more calls are unknown, since figures are lower bounds
        then, and that they are below a limit says nothing.
        """
        __tracebackhide__ = True
        measured = self._measured(model, inputs, options)
        if (found := figure(measured, UNKNOWN)) > unknown:
            raise AssertionError(
                f"{units.plural(found, 'call')} of unknown cost ({', '.join(measured.unknown)}): the figures of "
                f"{measured.model} are lower bounds, of which a limit says nothing. Give a formula "
                f"(flopsight.formula), or allow them: cost(..., unknown={found})"
            )
        return measured

    def as_before(
        self,
        model: Any,
        inputs: Any = None,
        *,
        tolerance: float = 0.0,
        figures: tuple[str, ...] = baselines.FIGURES,
        unknown: int = 0,
        **options: Any,
    ) -> MeasuredProfile:
        """The profile of a call, if it costs what it did when `pytest --cost-update` wrote that down, or less.

        tolerance: the part that it may cost more, as 0.01. figures: which are held. model, inputs, unknown, options: as
        for a call of this. Raises: AssertionError, with the modules that grew, or if nothing was written down.
        """
        __tracebackhide__ = True
        measured = self(model, inputs, unknown=unknown, **options)
        if self._update:
            self._keep(measured, figures)
            return measured
        before = measured.baseline
        if before is None or not set(figures) <= before.totals.keys():
            raise AssertionError(
                f"{self._file} does not say what {measured.model} cost before. Write it down with: pytest --cost-update"
            )
        part = Fraction(str(tolerance))
        verdicts = [judged(measured, name, baseline=before, tolerance=part, unknown=unknown) for name in figures]
        if over := [sentence(verdict) for verdict in verdicts if not verdict.holds]:
            update = "If that is meant, write it down with: pytest --cost-update"
            raise AssertionError("\n".join([f"{measured.model} costs more than in {self._file}.", *over, update]))
        return measured

    def close(self) -> None:
        """Write down what was measured, if asked. Raises: OSError."""
        if self._update and self._made:
            known = baselines.read(self._file)
            if any(known.get(name) != made for name, made in self._made.items()):
                baselines.write(self._file, {**known, **self._made})

    def _measured(self, model: Any, inputs: Any, options: Mapping[str, Any]) -> MeasuredProfile:
        from flopsight.tracing.tracer import profile

        found = profile(model, inputs, **options)
        if type(found) is not Profile:
            raise InputError("A test holds numbers, and these are formulas; give a number for each size.")
        measured = MeasuredProfile(**{field: value for field, value in vars(found).items() if field in _FIELDS})
        self._calls += 1
        measured.baseline = baselines.read(self._file).get(self._key)
        if self._update:
            self._keep(measured, ())
        return measured

    @property
    def _key(self) -> str:
        """Of the last call."""
        return self._name if self._calls == 1 else f"{self._name} #{self._calls}"

    def _keep(self, measured: MeasuredProfile, figures: tuple[str, ...]) -> None:
        followed = (PEAK,) if measured.storages else ()
        held = tuple(dict.fromkeys([*baselines.FIGURES, *followed, *figures]))
        self._made[self._key] = Baseline.of(measured, held)


_FIELDS = set(Profile.__dataclass_fields__)


def told(op: str, left: Any, right: Any) -> list[str] | None:
    """The lines of a failed comparison with a figure; None for anything else."""
    found, limit = (left, right) if isinstance(left, Figure) else (right, left)
    if not isinstance(found, (Count, ParameterFigure)) or op not in _COMPARISONS or not isinstance(limit, (int, float)):
        return None
    profile, quantity = found.profile, found.quantity
    what = f"{figure_title(quantity)} of {units.printable(profile.model)}"
    lines = [f"{_shown(left)} {op} {_shown(right)}", f"{what}: {_shown(found)}{_apart(found, limit)}"]
    modules = blamed(profile, quantity, profile.baseline)
    grew = bool(modules) and modules[0].before is not None
    modules = modules or blamed(profile, quantity)
    verdict = Verdict(quantity, int(found), int(found), HOLDS if not modules else EXCEEDED, blamed=modules)
    lines.append("Grew since the baseline was written:" if grew else "Largest:")
    lines += [f"  {units.printable(blamed_text(verdict, each))}" for each in modules[:_NAMED]]
    rest = len(modules) - _NAMED
    return lines + [f"  and {units.exact(rest)} more"] * (rest > 0)


def _apart(found: int, limit: float) -> str:
    """How far a figure is from what it was compared with."""
    if not math.isfinite(limit) or found == limit:
        return ""
    than = "more" if found > limit else "less"
    return f", which is {units.exact(math.ceil(abs(found - limit)))} {than} than {_shown(limit)}"


def _shown(number: Any) -> str:
    whole = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
    return units.exact(int(number)) if whole else str(number)
