"""A closed form as data, and what can be asked of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, SupportsIndex

from flopsight.calls import Operation
from flopsight.closed_form.assumption import Assumption
from flopsight.closed_form.evaluated import Evaluation
from flopsight.closed_form.tally import FormulaTally
from flopsight.conventions import Convention
from flopsight.cost import Cost
from flopsight.errors import InputError, near
from flopsight.profiles import Profile
from flopsight.record import Tally
from flopsight.sizes import Poly, Size, given, poly_of

if TYPE_CHECKING:
    import numpy as np

Calls = tuple[int, int, int]

_TRAFFIC = ("read_bytes", "written_bytes")
"""Quantities that an operation has by itself, whatever it computes."""


@dataclass(repr=False)
class Form(Profile):
    """A profile whose figures are formulas in the names of its sizes.

    sizes: the names, with the numbers they had in the run that was followed. counts: how often each operation ran in
    each scope and phase. assumptions: what the code asked of sizes. tried: sizes at which a run has counted the same.
    retrace: makes a profile at sizes by another run, where the model is still there.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    counts: dict[Calls, int] = field(default_factory=dict)
    assumptions: list[Assumption] = field(default_factory=list)
    tried: list[dict[str, int]] = field(default_factory=list)
    retrace: Callable[[Mapping[str, int]], Profile] | None = None

    @cached_property
    def _counts(self) -> Counter[Calls]:
        return Counter({key: n for key, n in self.counts.items() if self._holds(self.scopes[key[1]].path)})

    @cached_property
    def _times(self) -> Counter[int]:
        times = Counter[int]()
        for (operation, _, _), n in self._counts.items():
            times[operation] += n
        return times

    def numbers(self) -> Tally:
        """All operator calls, with sizes that know their formula for figures."""
        return super().tally()

    # --- as formulas -------------------------------------------------------------------------------------------

    def tally(self, *, phase: str | None = None, reuse: str = "every") -> FormulaTally:
        """All operator calls, or those of one phase. Raises: ValueError, InputError for `once` with loops."""
        if reuse == "once" and any(isinstance(n, Size) for n in self.counts.values()):
            raise InputError("This model calls modules as often as a size says; reuse='once' is not known for those.")
        return FormulaTally(super().tally(phase=phase, reuse=reuse).counts)

    @property
    def macs(self) -> Any:
        """Multiply-accumulates of contractions, all phases: a formula."""
        return self._all.macs

    @property
    def flops(self) -> Any:
        """Floating-point operations of contractions, two a multiply-accumulate, all phases: a formula."""
        return self._all.flops

    @property
    def cost(self) -> Cost:
        """Scalar operations of every known operator call: formulas."""
        return self._all.cost

    def total(self, convention: str | Convention = "flops", *, phase: str | None = None, reuse: str = "every") -> Any:
        """The count under a convention: a formula. Raises: ConventionError, ValueError."""
        return self.tally(phase=phase, reuse=reuse).total(convention)

    def by_module(self, *, phase: str | None = None) -> dict[str, Tally]:
        """For each module path, the calls of that module and all below it, in the model's order."""
        return {path: FormulaTally(tally.counts) for path, tally in super().by_module(phase=phase).items()}

    def _grouped(self, key: Mapping[Operation, str], phase: str | None) -> dict[str, Tally]:
        return {name: FormulaTally(tally.counts) for name, tally in super()._grouped(key, phase).items()}

    # --- at sizes ----------------------------------------------------------------------------------------------

    def at(self, *, retrace: bool = False, **sizes: int) -> Profile:
        """The profile at sizes, `at(batch=8, seq=4096)`: equal to that of a run at them.

        retrace: where an assumption does not hold there, run the model at them, in place of refusing.
        Raises: InputError for a size without a number, or one that no model has; and where an assumption does not hold.
        """
        self._check(sizes)
        sizes = {name: int(size) for name, size in sizes.items()}
        broken = [each for each in self.assumptions if not each.holds(sizes)]
        if broken and retrace:
            if self.retrace is None:
                raise InputError("The model that this profile was made of is no longer there to be run again.")
            return self.retrace(sizes)
        if broken:
            guard = broken[0].guard
            raise InputError(
                f"At {given(sizes)} this closed form does not hold: it assumes {guard}"
                + (f" (asked at {guard.place})" if guard.place else "")
                + ". Pass retrace=True to run the model at these sizes, or profile it there."
            )
        return self._at(sizes, refuse_empty=True)

    def _check(self, sizes: Mapping[str, Any], *, missing: bool = True) -> None:
        known = list(self.sizes)
        for name, size in sizes.items():
            if name not in self.sizes:
                raise InputError(f"There is no size {name!r}; there are {', '.join(known)}.{near(name, known)}")
            if isinstance(size, bool) or not isinstance(size, SupportsIndex) or size.__index__() < 1:
                raise InputError(f"The size {name} is {size!r}; it is an integer of at least 1.")
        if missing and (lacking := [name for name in known if name not in sizes]):
            raise InputError(f"Give a number for {' and '.join(lacking)} too: at({lacking[0]}=...).")

    def _at(self, sizes: Mapping[str, int], *, refuse_empty: bool = False) -> Profile:
        put = Evaluation(sizes, refuse_empty=refuse_empty)
        loops = any(isinstance(n, Size) for n in self.counts.values())
        names = re.compile(rf"\b({'|'.join(map(re.escape, self.sizes))})\b")
        inputs = [names.sub(lambda found: str(sizes[found[0]]), str(text)) for text in self.about.get("inputs", ())]
        return Profile(
            self.model,
            list(map(put.operation, self.operations)),
            self.scopes,
            [key for key, n in self.counts.items() for _ in range(put.number(n))] if loops else self.calls,
            {path: put.module(node) for path, node in self.modules.items()},
            root=self.root,
            notes=list(self.notes),
            about={**self.about, "inputs": inputs},
        )

    # --- many sizes --------------------------------------------------------------------------------------------

    def quantity(self, name: str = "flops") -> Poly:
        """The polynomial of a quantity: `macs`, `flops`, `exact`, bytes, or a convention's. Raises: ConventionError."""
        tally = self.numbers()
        if name in _TRAFFIC:
            return poly_of(sum(n * getattr(op, name) for op, n in tally.counts.items()))
        return poly_of(tally.cost.exact if name == "exact" else tally.total(name))

    def grid(self, quantity: str = "flops", /, **sizes: Any) -> np.ndarray[Any, Any]:
        """A quantity at every combination of sizes: an array with a dimension for each that is given as several.

        `grid("flops", batch=[1, 2, 4], seq=range(1, 1001))` has the shape (3, 1000). Exact: integers of Python where 64
        bits would not do. Needs numpy. Raises: InputError, ConventionError.
        """
        from flopsight.closed_form.grid import grid

        axes = {name: [size] if isinstance(size, int) else list(size) for name, size in sizes.items()}
        self._check({name: size for name, each in axes.items() for size in each[:1]})
        found = grid(self.quantity(quantity), axes)
        return found.reshape([len(axes[name]) for name, size in sizes.items() if not isinstance(size, int)])

    def solve(self, **known: int) -> int:
        """The largest size within a budget: `solve(flops=10**12, seq=4096)` is the largest batch that costs no more.

        known: one quantity (`macs`, `flops`, `exact`, bytes, a convention's) with its budget, and every size but one.
        Raises: InputError where not even a size of 1 is within the budget, or any is.
        """
        from flopsight.closed_form.grid import largest

        budget = {name: value for name, value in known.items() if name not in self.sizes}
        others = {name: value for name, value in known.items() if name in self.sizes}
        free = [name for name in self.sizes if name not in others]
        self._check(others, missing=False)
        if len(budget) != 1 or len(free) != 1:
            raise InputError(
                "Give one quantity with its budget, as flops=10**12, and a number for all of "
                f"{', '.join(self.sizes)} but the one asked for."
            )
        ((name, most),) = budget.items()
        return largest(self.quantity(name), free[0], others, int(most), name)

    def growth(self, name: str, **sizes: int) -> dict[str, int]:
        """How each module's FLOPs grow with a size: 0 constant, 1 linear, 2 quadratic, ... The largest come first.

        sizes: where they are largest; as in the run that was followed, if not given. Raises: InputError.
        """
        self._check({name: 1, **sizes}, missing=False)
        where = {**self.sizes, **sizes}
        found = {path: poly_of(tally.flops) for path, tally in super().by_module().items() if path}
        order = sorted(found, key=lambda path: -found[path].at(where))
        return {path: found[path].degree(name) for path in order if found[path].terms}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.model} in {', '.join(self.sizes)}: {self.macs} MACs>"
