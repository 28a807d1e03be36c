"""Breaks the result of every formula, one way at a time, and sees whether the formula's proofs go red.

`make mutants` runs all mutants and prints how many were killed, family by family; it fails if one survives.
`python tests/mutation.py tests/formulas/test_softmax.py` asks that file alone; `--thin` doubles every result, once.

A mutant changes what one operator's formula returns. It is killed when an assertion fails in a test of tests/formulas
that asks for that formula; one by the oracle, unless there is a reason in WITHOUT_ORACLE. The registry's own check of
impossible costs is off meanwhile, so that it cannot be what kills.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import oracle
import pytest
from formulas.without_oracle import ITERATIVE, SHARING
from hypothesis import Phase, Verbosity, settings
from versions import lacks

from flopsight.cost import Cost
from flopsight.formulas import registry

Change = Callable[[Cost], Cost]
FORMULAS = Path(__file__).parent / "formulas"
PLAIN = {"multiply": "add", "add": "multiply", "divide": "multiply", "compare": "add", "special": "multiply"}
"""Kinds of work outside of contractions, and another kind to take each for."""

WITHOUT_ORACLE = ITERATIVE | SHARING
"""Operators of which the oracle leaves some mutants to the worked case, and why."""


def _moved(name: str, other: str) -> Change:
    return lambda cost: cost._replace(**{name: 0, other: getattr(cost, other) + getattr(cost, name)})


def _as_dot_products(cost: Cost) -> Cost:
    """Products taken for dot products of length one: the same work by kind, in another place."""
    return cost._replace(multiply=0, macs=cost.macs + cost.multiply, results=cost.results + cost.multiply)


def _as_plain(cost: Cost) -> Cost:
    """Contractions taken for plain products and sums: the same work by kind, in another place."""
    multiply, add = cost.multiply + cost.macs, cost.add + cost.macs - cost.results
    return cost._replace(multiply=multiply, add=add, macs=0, results=0, masked_macs=0)


def mutants(name: str) -> dict[str, Change]:
    """Ways to break a field of a cost that is not 0."""
    found: dict[str, Change] = {
        f"{name} + 1": lambda cost: cost._replace(**{name: getattr(cost, name) + 1}) if getattr(cost, name) else cost,
        f"{name} dropped": lambda cost: cost._replace(**{name: 0}),
        f"{name} doubled": lambda cost: cost._replace(**{name: 2 * getattr(cost, name)}),
    }
    if name in PLAIN:
        found[f"{name} taken for {PLAIN[name]}"] = _moved(name, PLAIN[name])
    if name == "multiply":
        found["multiply taken for dot products"] = _as_dot_products
    if name == "add":
        found["add taken for biases"] = _moved("add", "biases")
    if name == "biases":
        found["biases taken for add"] = _moved("biases", "add")
    if name == "macs":
        found["macs taken for multiply and add"] = _as_plain
    return found


def _counting() -> Iterator[registry.Formula]:
    """The formulas that are to be tried: of operators that this version of PyTorch has, and that cost something."""
    return (f for f in registry.load_formulas() if f.reason is None and not lacks(f.operator))


@dataclass
class Watch:
    """Stands in every formula: notes which are asked, and changes the result of the one under test."""

    under_test: Callable[[str], bool] = field(default=lambda operator: False)
    change: Change = field(default=lambda cost: cost)
    asked: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    last: str | None = None
    counted: bool = False

    def over(self, formula: registry.Formula) -> registry.Formula:
        """The formula, watched."""

        @functools.wraps(formula.rule)
        def rule(*args: Any, **kwargs: Any) -> Any:
            cost = formula.rule(*args, **kwargs)
            self.asked[formula.operator].update(cost.to_dict())
            self.last = formula.operator
            return self.change(cost) if self.under_test(formula.operator) else cost

        return replace(formula, rule=rule)

    def install(self) -> None:
        """Watch every formula that is not zero by definition, and the oracle."""
        formulas = registry.load_formulas().formulas
        for operator, formula in formulas.items():
            if formula.reason is None:
                formulas[operator] = self.over(formula)
        registry._check = lambda rule, cost: None
        counting = oracle.counting

        @contextmanager
        def watched() -> Iterator[Counter[str]]:
            self.counted = True
            with counting() as counts:
                yield counts

        oracle.counting = watched


@dataclass
class Verdict:
    """What became of the mutants of one family."""

    killed: int = 0
    by_case: set[str] = field(default_factory=set)
    survivors: list[str] = field(default_factory=list)


class Mutation:
    """A pytest plugin that runs mutants where pytest would run tests."""

    def __init__(self, thin: bool, whole: bool):
        self.thin, self.whole = thin, whole
        self.watch = Watch()
        self.items: dict[str, list[tuple[bool, Any]]] = defaultdict(list)
        self.fields: dict[str, set[str]] = defaultdict(set)
        self.verdicts: dict[str, Verdict] = defaultdict(Verdict)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Before test files are read: watch formulas, and have few examples, always the same, and no search."""
        settings.register_profile(
            "mutants", phases=[Phase.explicit, Phase.generate], database=None, derandomize=True, deadline=None,
            verbosity=Verbosity.quiet, report_multiple_bugs=False, print_blob=False,
        )  # fmt: skip
        settings.load_profile("mutants")
        self.watch.install()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run everything once to see who asks for which formula; then the mutants."""
        items = [item for item in session.items if item.get_closest_marker("skip") is None]
        if self.thin:
            self._double(items)
            return True
        for item in items:
            self._note(item)
        for formula in _counting():
            if self.whole or formula.operator in self.items:
                self._judge(formula)
        return True

    def _double(self, items: list[Any]) -> None:
        """Double all results at once; the formula that a failing test asked for last is the one that it kills."""
        self.watch.under_test, self.watch.change = lambda operator: True, lambda cost: cost * 2
        killed = {self.watch.last for item in items if isinstance(self._run(item), AssertionError)}
        for formula in _counting():
            verdict = self.verdicts[formula.family]
            if formula.operator in killed:
                verdict.killed += 1
            else:
                verdict.survivors.append(f"{formula.operator}: doubled")

    def _note(self, item: Any) -> None:
        self.watch.asked.clear()
        self.watch.counted = False
        if (error := self._run(item)) is not None:
            raise pytest.UsageError(f"{item.nodeid} fails without a mutant: {error!r}")
        for operator, fields in self.watch.asked.items():
            self.items[operator].append((self.watch.counted, item))
            self.fields[operator] |= fields

    @staticmethod
    def _run(item: Any) -> Exception | None:
        try:
            item.obj(**(item.callspec.params if hasattr(item, "callspec") else {}))
        except Exception as error:
            return error
        return None

    def _judge(self, formula: registry.Formula) -> None:
        verdict = self.verdicts[formula.family]
        changes = {name: change for f in sorted(self.fields[formula.operator]) for name, change in mutants(f).items()}
        if not changes:
            verdict.survivors.append(f"{formula.operator}: no test makes it count anything")
        for name, change in changes.items():
            self.watch.under_test, self.watch.change = formula.operator.__eq__, change
            killer = self._killer(formula.operator)
            left = killer is False and self.whole
            if killer is None or (left and formula.operator not in WITHOUT_ORACLE):
                verdict.survivors.append(f"{formula.operator}: {name}")
            else:
                verdict.killed += 1
                verdict.by_case |= {formula.operator} if left else set()

    def _killer(self, operator: str) -> bool | None:
        """Whether a test with the oracle kills (True), another one (False), or none (None)."""
        for counted, item in sorted(self.items[operator], key=lambda one: not one[0]):
            if isinstance(self._run(item), AssertionError):
                return counted
        return None


def report(verdicts: dict[str, Verdict]) -> str:
    """The table; operators of which the oracle leaves mutants to the worked case, with the reason; survivors."""
    rows = sorted(verdicts.items())
    cases = sorted(set().union(*(v.by_case for _, v in rows)))
    survivors = [survivor for _, v in rows for survivor in v.survivors]
    lines = [f"{'family':16}{'mutants':>9}{'killed':>9}{'survivors':>11}"]
    for family, v in [*rows, ("all", Verdict(sum(v.killed for _, v in rows), survivors=survivors))]:
        alive = len(v.survivors)
        lines.append(f"{family:16}{v.killed + alive:>9,}{v.killed:>9,}{alive:>11,}")
    lines += [f"by its worked case  {operator}: {WITHOUT_ORACLE[operator]}" for operator in cases]
    return "\n".join([*lines, *(f"survived  {survivor}" for survivor in survivors)])


def main(*options: str) -> int:
    """Run the mutants; 1 if one survives."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # kernels that a proof runs warn about odd arguments
    start = time.perf_counter()
    paths = [option for option in options if not option.startswith("--")]
    plugin = Mutation(thin="--thin" in options, whole=not paths)
    quiet = ["-p", "no:terminal", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib", "--assert=plain"]
    code = pytest.main([*(paths or [str(FORMULAS)]), *quiet], plugins=[plugin])
    print(report(plugin.verdicts))
    print(f"{time.perf_counter() - start:.0f} s")
    return int(code != 0 or any(verdict.survivors for verdict in plugin.verdicts.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
