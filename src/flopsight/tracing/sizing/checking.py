"""A closed form held to runs at other sizes: whether it counts the same, and what the code's questions decide."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from flopsight.closed_form import Assumption, ClosedForm
from flopsight.cost import Cost
from flopsight.errors import FlopsightError, InputError
from flopsight.profiles import Profile
from flopsight.sizes import Guard, Poly, given

_FIRST = {"batch": (3, 1), "tokens": (29, 128, 7), "space": (97, 224, 320, 236)}
_FROM = {"batch": (1, 8), "tokens": (2, 60), "space": (64, 720)}
_LARGE = {"batch": (1, 4), "tokens": (200, 500), "space": (4000, 20000)}
"""The numbers of the runs that a closed form is held to, by the use of a name: some usual ones, and any from a range at
which the code answers its questions as in the run that was followed; a larger one if there are none.
"""

_USUAL, _WITHIN, _WITHIN_SPACE, _NEEDED = 2, 3, 6, 2
_DRAWN = 500
_FLIPPED = 8
"""How many runs are made at usual numbers and within the answers, how many have to agree, how many numbers are drawn
in search of them, and how many runs more may be made to see what depends on the code's questions.
"""


def check(form: ClosedForm, run: Callable[[Mapping[str, int]], Profile], uses: Mapping[str, str]) -> None:
    """Hold a closed form to runs at other sizes, and tell the effect of what the code asked.

    Raises: InputError where it counts otherwise and nothing that the code asked explains it.
    """
    seen: list[tuple[str, list[Guard]]] = []
    for sizes in _samples(form, uses):
        try:
            record = run(sizes)
        except FlopsightError:
            continue  # sizes that the model does not take
        effect, difference = _difference(form._at(sizes), record)
        if effect != "count":
            form.tried.append(dict(sizes))
        broken = [each.guard for each in form.assumptions if not each.guard.holds(sizes)]
        if effect != "none" and not broken:
            broken = [Guard(Poly.named(name), ">", Poly.number(1), "") for name, size in sizes.items() if size == 1]
        if effect == "count" and not broken:
            raise InputError(_no_form(form, sizes, difference))
        seen.append((effect, broken))
    if len(form.tried) < _NEEDED:
        raise InputError(
            f"The formulas for {form.model} could not be held to runs at other sizes, at which it does not run. Give "
            "numbers for the sizes."
        )
    form.assumptions = _weighed(form, seen)


def _weighed(form: ClosedForm, seen: list[tuple[str, list[Guard]]]) -> list[Assumption]:
    """The assumptions with their effects: of those that did not hold in a run, the least that explains what it counted.

    Another count is put down to those that did not hold, less those that did not where the count was the same.
    """
    effects: dict[Guard, str] = {each.guard: "unknown" for each in form.assumptions}
    for effect in _ORDER:
        for found, broken in seen:
            if found == effect:
                suspects = [guard for guard in broken if effects.get(guard, "unknown") == "unknown"]
                settled = effect == "none" or bool(suspects)
                effects.update(dict.fromkeys(suspects if settled else broken, effect))
    return [Assumption(guard, effect) for guard, effect in effects.items()]


_ORDER = ("none", "kernel", "count")


def _no_form(form: ClosedForm, sizes: Mapping[str, int], difference: str) -> str:
    return (
        f"The cost of {form.model} is no closed form in {' and '.join(form.sizes)} that flopsight finds: at "
        f"{given(sizes)}, {difference}. Give numbers for the sizes."
    )


def _samples(form: ClosedForm, uses: Mapping[str, str]) -> Iterator[dict[str, int]]:
    """Sizes for further runs: usual ones, and for each question asked some at which it is answered otherwise."""
    place: dict[str, int] = {}
    for name in uses:
        place[name] = sum(uses[other] == uses[name] for other in place)
    usual = [{name: _of(_FIRST[use], turn + place[name]) for name, use in uses.items()} for turn in range(_USUAL)]
    enough = _WITHIN_SPACE if "space" in uses.values() else _WITHIN  # strides and windows go by remainders
    ones = [{**usual[0], name: 1} for name in uses]  # which PyTorch treats apart in many places
    made = usual + ones + list(islice(_within(form, uses), enough))
    yield from {tuple(sizes.items()): sizes for sizes in made}.values()
    yield from islice(_flipping(form, made), _FLIPPED)


def _of(numbers: tuple[int, ...], turn: int) -> int:
    return numbers[turn % len(numbers)]


def _within(form: ClosedForm, uses: Mapping[str, str]) -> Iterator[dict[str, int]]:
    """Sizes at which the code's questions are answered as in the run that was followed."""
    draw = random.Random(0)
    for ranges in (_FROM, _LARGE):
        for _ in range(_DRAWN):
            sizes = {name: draw.randint(*ranges[use]) for name, use in uses.items()}
            if all(each.guard.holds(sizes) for each in form.assumptions):
                yield sizes


def _flipping(form: ClosedForm, made: list[dict[str, int]]) -> Iterator[dict[str, int]]:
    """For each question, sizes at which it alone is answered otherwise, or it with as few others as can be found."""
    guards = [each.guard for each in form.assumptions]

    def broken(sizes: Mapping[str, int]) -> list[Guard]:
        return [guard for guard in guards if not guard.holds(sizes)]

    tried = {guard: len(guards) + 1 for guard in guards}
    for sizes in made:
        for guard in (found := broken(sizes)):
            tried[guard] = min(tried[guard], len(found))
    for guard in guards:
        near = {1, 2, 3, 4, 8, 16, 32, 49, 64, 196, 224, 256, 384, 512, 1024}
        near |= {n + by for poly in (guard.left, guard.right) if (n := poly.constant) is not None for by in (-1, 0, 1)}
        flipped = [
            other
            for base in made
            for name in sorted(guard.names())
            for size in sorted(near)
            if size > 0 and not guard.holds(other := {**base, name: size})
        ]
        best = min(flipped, key=lambda sizes: len(broken(sizes)), default=None)
        if best is not None and len(found := broken(best)) < tried[guard]:
            yield best
            for each in found:
                tried[each] = min(tried[each], len(found))


def _difference(form: Profile, run: Profile) -> tuple[str, str]:
    """What two profiles do not count alike: an effect of `Assumption`, and a sentence where it is the count."""
    a, b = _by_module(form), _by_module(run)
    for path in {**a, **b}:
        (macs, exact), (run_macs, run_exact) = a.get(path, (0, 0)), b.get(path, (0, 0))
        if (macs, exact) != (run_macs, run_exact):
            where = f"module {path!r}" if path else "the model"
            return "count", f"{where} does {exact:,} operations by the formulas, and {run_exact:,} when run"
    return ("none" if _by_operator(form) == _by_operator(run) else "kernel"), ""


def _by_module(record: Profile) -> dict[str, tuple[int, int]]:
    """The multiply-accumulates and all operations of each module's own code."""
    costs = [(0, 0) if op.cost is None else (op.cost.macs, op.cost.exact) for op in record.operations]
    table: dict[str, tuple[int, int]] = {}
    for index, scope, _ in record.calls:
        path, (macs, exact) = record.scopes[scope].path, table.get(record.scopes[scope].path, (0, 0))
        table[path] = macs + costs[index][0], exact + costs[index][1]
    return table


def _by_operator(record: Profile) -> dict[str, tuple[int, Cost]]:
    return {name: (tally.calls, tally.cost) for name, tally in record.by_operator().items()}
