"""A run as a whole: every operator call, in order, and the sums over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from typing import Any, TypeVar

from flopsight.calls import PHASES, Allocation, ModuleNode, OpCall, Operation, Scope, ancestors, is_inside
from flopsight.conventions import Convention
from flopsight.cost import ZERO, Cost
from flopsight.errors import near
from flopsight.record.tally import ParameterCount, Tally

Self = TypeVar("Self", bound="Record")

REUSE = ("every", "once")
"""Which calls of a module count."""


@dataclass
class Record:
    """What a run cost, as data: what every analysis and view reads.

    model: its name. operations: each kind of operator call, once. scopes: each call of a module.
    calls: every operator call in the order they ran, as its operation, scope and phase, three indices.
    modules: by path, in the model's order.
    root: the path of the module this profile is of, empty for all. notes: assumptions made on the way.
    about: the run (torch version, mode, inputs) as plain values.
    """

    model: str
    operations: list[Operation]
    scopes: list[Scope]
    calls: list[tuple[int, int, int]]
    modules: dict[str, ModuleNode]
    storages: list[Allocation] = field(default_factory=list)
    root: str = ""
    notes: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[OpCall]:
        for operation, scope, phase in self._calls:
            yield OpCall(self.operations[operation], self.scopes[scope].path, PHASES[phase])

    def __len__(self) -> int:
        return len(self._calls)

    def __getitem__(self: Self, path: str) -> Self:
        """The record of one module and all below it. Raises: KeyError with near matches."""
        if path not in self.modules:
            raise KeyError(f"No module {path!r} in {self.model}.{near(path, list(self.modules))}")
        return replace(self, root=path)

    def _holds(self, path: str) -> bool:
        return is_inside(path, self.root)

    @cached_property
    def _calls(self) -> list[tuple[int, int, int]]:
        if not self.root:
            return self.calls
        inside = [self._holds(scope.path) for scope in self.scopes]
        return [call for call in self.calls if inside[call[1]]]

    @cached_property
    def _counts(self) -> Counter[tuple[int, int, int]]:
        return Counter(self._calls)

    @cached_property
    def _times(self) -> Counter[int]:
        """How often each operation was called, by its number."""
        return Counter(map(itemgetter(0), self._calls))

    def tally(self, *, phase: str | None = None, reuse: str = "every") -> Tally:
        """All operator calls, or those of one phase, counted by kind.

        reuse: `once` leaves out what a module does when it is called again, as tools do that keep one figure a layer.
        Raises: ValueError for an unknown phase or reuse.
        """
        for name, known in ((phase or PHASES[0], PHASES), (reuse, REUSE)):
            if name not in known:
                raise ValueError(f"{name!r} is none of {', '.join(known)}.{near(name, list(known))}")
        if phase is None and reuse == "every":
            return Tally(Counter({self.operations[number]: times for number, times in self._times.items()}))
        wanted = None if phase is None else PHASES.index(phase)
        counts: Counter[Operation] = Counter()
        for (operation, scope, when), times in self._counts.items():
            if (wanted is None or when == wanted) and not (reuse == "once" and self._again[scope]):
                counts[self.operations[operation]] += times
        return Tally(counts)

    @cached_property
    def _again(self) -> list[bool]:
        """By scope, whether it is a later call of its module; of one used without a call, whether its caller's is."""
        again: list[bool] = []
        for scope in self.scopes:
            uncalled = scope.parent >= 0 and not self.modules[scope.path].calls
            again.append(again[scope.parent] if uncalled else scope.call > 0)
        return again

    @cached_property
    def _all(self) -> Tally:
        return self.tally()

    @property
    def macs(self) -> int:
        """Multiply-accumulates of contractions (`total("macs")`), all phases."""
        return self._all.macs

    @property
    def flops(self) -> int:
        """Floating-point operations of contractions, two a multiply-accumulate (`total("flops")`), all phases."""
        return self._all.flops

    @property
    def effective_macs(self) -> int:
        """`macs` without those that attention masks given in the calls make unnecessary."""
        return self._all.effective_macs

    @property
    def cost(self) -> Cost:
        """Scalar operations of every known operator call."""
        return self._all.cost

    @property
    def unknown(self) -> dict[str, list[Operation]]:
        """Operators whose cost is not known, with the kinds of their calls; with any, totals are lower bounds."""
        return self._all.unknown

    def total(self, convention: str | Convention = "flops", *, phase: str | None = None, reuse: str = "every") -> int:
        """The count under a convention, with `phase` and `reuse` as in `tally`. Raises: ConventionError, ValueError."""
        return self.tally(phase=phase, reuse=reuse).total(convention)

    @cached_property
    def params(self) -> ParameterCount:
        """Parameter elements, an `int` that also knows `trainable`, `frozen`, `tied`, `buffers` and `nbytes`."""
        return ParameterCount.of(
            [p for node in self.modules.values() if self._holds(node.path) for p in node.parameters]
        )

    def by_operator(self, *, phase: str | None = None) -> dict[str, Tally]:
        """Calls grouped by operator (`aten::convolution`), most work first."""
        return self._grouped({op: op.name for op in self.operations}, phase)

    def by_family(self, *, phase: str | None = None) -> dict[str, Tally]:
        """Calls grouped by family of operators (`convolution`), most work first."""
        return self._grouped({op: op.family for op in self.operations}, phase)

    def by_dtype(self, *, phase: str | None = None) -> dict[str, Tally]:
        """Calls grouped by the dtype they compute in, most work first."""
        return self._grouped({op: op.dtype for op in self.operations}, phase)

    def _grouped(self, key: Mapping[Operation, str], phase: str | None) -> dict[str, Tally]:
        groups: dict[str, Counter[Operation]] = {}
        for operation, times in self.tally(phase=phase).counts.items():
            groups.setdefault(key[operation], Counter())[operation] += times
        tallies = [(name, Tally(counts)) for name, counts in groups.items()]
        return dict(sorted(tallies, key=lambda item: (-item[1].cost.exact, item[0])))

    def by_module(self, *, phase: str | None = None) -> dict[str, Tally]:
        """For each module path, the calls of that module and all below it, in the model's order."""
        wanted = None if phase is None else PHASES.index(phase)
        groups: dict[str, Counter[Operation]] = {path: Counter() for path in self.modules if self._holds(path)}
        for (operation, scope, when), times in self._counts.items():
            if wanted is None or when == wanted:
                for path in ancestors(self.scopes[scope].path):
                    if path in groups:
                        groups[path][self.operations[operation]] += times
        return {path: Tally(counts) for path, counts in groups.items()}

    def __repr__(self) -> str:
        bound = ">= " if self.unknown else ""
        return f"<{type(self).__name__} of {self.model}: {bound}{self.macs:,} MACs, {int(self.params):,} parameters>"

    def self_check(self) -> None:
        """Raise AssertionError where the profile contradicts itself."""
        for operation, scope, phase in self.calls:
            assert 0 <= operation < len(self.operations), "a call names an operation that is not there"
            assert 0 <= scope < len(self.scopes), "a call names a scope that is not there"
            assert 0 <= phase < len(PHASES), "a call names a phase that is not there"
        for index, (path, parent, _) in enumerate(self.scopes):
            assert path in self.modules, f"a scope names the module {path!r}, which is not there"
            assert -1 <= parent < index, "a scope comes before its caller"
        phases = sum((self.tally(phase=phase).cost for phase in PHASES), ZERO)
        assert phases == self.cost, "the phases do not add up to the whole"
        if "" in self.modules and not self.root:
            assert self.by_module()[""].cost == self.cost, "the modules do not add up to the whole"
