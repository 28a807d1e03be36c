"""`flopsight check`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flopsight import baselines
from flopsight.analysis.budget import Baseline, Outcome, judged
from flopsight.cli import Command, _budgets, _formats, _several
from flopsight.cli._budgets import Budget
from flopsight.closed_form import ClosedForm
from flopsight.errors import FlopsightError, InputError, out_of_memory
from flopsight.units import printable

if TYPE_CHECKING:
    from flopsight.profiles import Profile

SUMMARY = "GITHUB_STEP_SUMMARY"


class Check(Command):
    """Hold models to the budgets in pyproject.toml, all or those named.

    A budget is a table [tool.flopsight.budget."net.py:Net"] with input, limits (macs, params, exact, peak, ...) and
    unknown = 0, or baseline = "costs.json" with a tolerance. The exit code is 1 if one does not hold, and 2 if one is
    written wrong.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""
        parser.add_argument("names", metavar="NAME", nargs="*", help="of budgets (default: all)")
        parser.add_argument("--config", metavar="FILE", help=f"where they are (default: the nearest {_budgets.FILE})")
        parser.add_argument("--update", action="store_true", help="write baselines, instead of checking")
        parser.add_argument("--github", action="store_true", help="as Markdown, for GitHub's summary and annotations")
        parser.add_argument("--badge", metavar="FILE", help="an SVG to show in a README")

    def run(self, options: argparse.Namespace) -> int:
        """Measure, and say what holds."""
        path = Path(options.config).resolve() if options.config else _budgets.find(Path.cwd().resolve())
        badge = options.badge and Path(options.badge).resolve()
        if badge:
            _formats.check_folder(str(badge))
        budgets = _budgets.read(path, options.names)
        known = {file: baselines.read(file) for file in {budget.baseline for budget in budgets} if file}
        with _inside(path.parent):
            if options.update:
                return _update(budgets, known)
            outcomes = [_outcome(*each, known) for each in _measuring(budgets)]
        if badge:
            from flopsight.views.badge import badge as drawn

            with _formats.writing(badge):
                badge.write_text(drawn(outcomes), encoding="utf-8")
        _show(outcomes, github=options.github)
        return 0 if all(outcome.holds for outcome in outcomes) else 1


def _measuring(budgets: Sequence[Budget]) -> Iterator[tuple[Budget, Callable[[], Profile]]]:
    return zip(budgets, _several.measure([budget.options for budget in budgets]), strict=True)


def _outcome(budget: Budget, measure: Callable[[], Profile], known: dict[Path, dict[str, Baseline]]) -> Outcome:
    before = known[budget.baseline].get(budget.name) if budget.baseline else None
    if budget.baseline and (before is None or not set(budget.figures) <= before.totals.keys()):
        missing = f"{budget.baseline.name} has no baseline of it, or not of {', '.join(budget.figures)}"
        return Outcome(budget.name, error=f"{missing}; write it: flopsight check --update")
    try:
        profile = _numbers(measure())
        verdicts = [
            judged(profile, quantity, limit, baseline=before, unknown=budget.unknown)
            for quantity, limit in budget.limits.items()
        ]
        verdicts += [
            judged(profile, quantity, baseline=before, tolerance=budget.tolerance, unknown=budget.unknown)
            for quantity in budget.figures
        ]
    except (FlopsightError, MemoryError) as error:
        return Outcome(budget.name, error=_reason(error))
    return Outcome(budget.name, tuple(verdicts))


def _update(budgets: Sequence[Budget], known: dict[Path, dict[str, Baseline]]) -> int:
    """Write the baselines of those that have one, and say what moved; the exit code. Raises: InputError for none."""
    if not known:
        raise InputError('No budget has a baseline to write; give one a file: baseline = "costs.json"')
    from flopsight.views.budget import moved

    failed = 0
    for budget, measure in _measuring([budget for budget in budgets if budget.baseline]):
        assert budget.baseline is not None, "those without are left out"
        kept = known[budget.baseline]
        try:
            made = Baseline.of(_numbers(measure()), budget.figures)
            told = moved(kept.get(budget.name), made)
            kept[budget.name] = made
        except (FlopsightError, MemoryError) as error:
            failed, told = 1, _reason(error)
        print(printable(f"{budget.name}: {told}"))
    for file, kept in known.items():
        with _formats.writing(file):
            baselines.write(file, kept)
        print(printable(f"written: {file}"))
    return failed


def _numbers(profile: Profile) -> Profile:
    """A profile of numbers. Raises: InputError for one of formulas."""
    if isinstance(profile, ClosedForm):
        raise InputError("its figures are formulas, and a budget is a number; give a number for each size")
    return profile


def _reason(error: BaseException) -> str:
    return "out of memory" if out_of_memory(error) else " ".join(str(error).split())


def _show(outcomes: Sequence[Outcome], *, github: bool) -> None:
    from flopsight.views.budget import render, workflow_commands

    if not github:
        sys.stdout.write(render(outcomes))
        return
    summary = render(outcomes, "markdown")
    if file := os.environ.get(SUMMARY):
        with _formats.writing(file), Path(file).open("a", encoding="utf-8") as stream:
            stream.write(summary)
    sys.stdout.write("\n".join([summary, *workflow_commands(outcomes)]).rstrip("\n") + "\n")


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Inside, this is the working folder, from which the paths of models are."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
