"""Closed forms: one run at sizes that have names, held to further runs at numbers."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from torch import nn

from flopsight.closed_form import Assumption, ClosedForm
from flopsight.cost import ZERO, Cost
from flopsight.errors import FlopsightError, InputError
from flopsight.profiles import Profile
from flopsight.sizes import Guard, Poly, Size
from flopsight.tracing.following import Following
from flopsight.tracing.inputs import Spec, fill

Run = Callable[[Any, Any], Profile]
"""Makes a profile of positional and keyword arguments."""


_BATCH = (211, 199, 157, 149)
_TOKENS = ((353, 419, 467, 491), (53, 59, 61, 67))
_SPACE = ((5003, 5501, 6007, 6521), (5024, 5536, 6112, 6496), (419, 467, 491, 353))
"""The numbers that names stand for in the run that is followed, where possible primes: they are to be told from the
numbers of the model. What fails at the first is tried at the next: tables end, and windows have to fit.
"""

_BATCHES = (3, 1, 8, 2)
_FEW_TOKENS = (29, 128, 7, 1, 50)
_LITTLE_SPACE = (97, 224, 256, 131, 320, 64)
_MUCH_SPACE = (4001, 16000, 20011, 8192)
"""The numbers of the runs that a closed form is held to."""

_TRIED, _NEEDED = 4, 2
_FLIPPED = 8
"""How many runs are made, how many have to agree, and how many more may be made to see what depends on the questions
that the code asks.
"""


def names_in(args: Any) -> dict[str, str]:
    """The names of sizes in specs, each with its use: `batch`, `tokens` or `space`."""
    uses: dict[str, str] = {}

    def look(given: Any) -> Any:
        if isinstance(given, Spec):
            integer = given.dtype is not None and not given.dtype.is_floating_point and not given.dtype.is_complex
            for at, size in enumerate(given.shape):
                if isinstance(size, str):
                    uses.setdefault(size, "batch" if at == 0 else "tokens" if integer else "space")
        return given

    fill(args, look)
    return uses


def put(given: Any, sizes: Mapping[str, int]) -> Any:
    """Arguments with those numbers, or sizes, for the names."""

    def number(value: Any) -> Any:
        if not isinstance(value, Spec):
            return value
        return Spec(tuple(sizes[size] if isinstance(size, str) else size for size in value.shape), value.dtype)

    return fill(given, number)


def closed_form(run: Run, args: Any, kwargs: Any, uses: Mapping[str, str], module: nn.Module | None) -> ClosedForm:
    """The closed form of a run: from the first numbers at which the model runs, and that are not taken for others.

    Raises: InputError where its cost is no closed form in these sizes, and what the run raises.
    """
    again = _again(run, args, kwargs, module)
    first: FlopsightError | None = None
    for numbers in _numbers(uses):
        try:
            form = _followed(run, args, kwargs, numbers)
            _held(form, again, uses)
        except FlopsightError as error:
            first = first or error
        else:
            form.retrace = again
            return form
    assert first is not None
    raise _forced(first, uses) from first


def _again(run: Run, args: Any, kwargs: Any, module: nn.Module | None) -> Callable[[Mapping[str, int]], Profile]:
    held = weakref.ref(module) if module is not None else None

    def retrace(sizes: Mapping[str, int]) -> Profile:
        if held is not None and held() is None:
            raise InputError("The model that this profile was made of is no longer there to be run again.")
        return run(put(args, sizes), put(kwargs, sizes))

    return retrace


def _followed(run: Run, args: Any, kwargs: Any, numbers: dict[str, int]) -> ClosedForm:
    """The run at sizes with names, which are those numbers in it."""
    following = Following()
    sizes = {name: Size(number, Poly.named(name)) for name, number in numbers.items()}
    with following.active():
        return _form(run(put(args, sizes), put(kwargs, sizes)), following, numbers)


def _forced(error: FlopsightError, uses: Mapping[str, str]) -> FlopsightError:
    names = " or ".join(uses)
    return type(error)(f"{str(error).rstrip('.')}. It seems to need a number for {names}: give one in its place.")


def _numbers(uses: Mapping[str, str]) -> Iterator[dict[str, int]]:
    for tokens, space in ((0, 0), (0, 1), (1, 0), (1, 2), (0, 2)):
        source = {"batch": iter(_BATCH), "tokens": iter(_TOKENS[tokens]), "space": iter(_SPACE[space])}
        if ("tokens" in uses.values() or not tokens) and ("space" in uses.values() or not space):
            yield {name: next(source[use]) for name, use in uses.items()}


def _form(record: Profile, following: Following, numbers: dict[str, int]) -> ClosedForm:
    counts = _counts(record, numbers)
    if any(isinstance(n, Size) for n in counts.values()):
        for node in record.modules.values():
            node.calls = _times(node.calls, numbers)
    return ClosedForm(
        record.model,
        record.operations,
        record.scopes,
        record.calls,
        record.modules,
        notes=record.notes,
        about=record.about,
        sizes=numbers,
        counts=counts,
        assumptions=[Assumption(guard, None) for guard in following.guards],
    )


def _counts(record: Profile, numbers: Mapping[str, int]) -> dict[tuple[int, int, int], int]:
    """How often each operation ran in each scope; in all calls of a module together, if that is as often as a size."""
    first: dict[str, int] = {}
    for index, scope in enumerate(record.scopes):
        first.setdefault(scope.path, index)
    together = Counter((op, first[record.scopes[scope].path], phase) for op, scope, phase in record.calls)
    looped = {key: times for key, n in together.items() if isinstance(times := _times(n, numbers), Size)}
    counts: dict[tuple[int, int, int], int] = Counter()
    for op, scope, phase in record.calls:
        if (op, first[record.scopes[scope].path], phase) not in looped:
            counts[op, scope, phase] += 1
    return {**counts, **looped}


def _times(n: int, numbers: Mapping[str, int]) -> int:
    """How often something ran: as often as a loop over a size does it, or a few times more or less, if that is so."""
    for name, number in numbers.items():
        each, off = divmod(n + _AROUND, number)
        if 1 <= each <= _IN_A_LOOP and abs(off - _AROUND) <= _AROUND:
            return Size(number, Poly.named(name)) * each + (off - _AROUND)
    return n


_AROUND, _IN_A_LOOP = 4, 64


def _held(form: ClosedForm, run: Callable[[Mapping[str, int]], Profile], uses: Mapping[str, str]) -> None:
    """Hold a closed form to runs at other sizes, and tell the effect of what the code asked.

    Raises: InputError where it counts otherwise and nothing that the code asked explains it.
    """
    effects: dict[Guard, str] = {}
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
        for guard in broken:
            effects[guard] = max(effect, effects.get(guard, "none"), key=_ORDER.index)
    if len(form.tried) < _NEEDED:
        raise InputError(
            f"The formulas for {form.model} could not be held to runs at other sizes, at which it does not run. Give "
            "numbers for the sizes."
        )
    asked = dict.fromkeys(each.guard for each in form.assumptions) | dict.fromkeys(effects)
    form.assumptions = [Assumption(guard, effects.get(guard, "unknown")) for guard in asked]


_ORDER = ("none", "kernel", "count")


def _no_form(form: ClosedForm, sizes: Mapping[str, int], difference: str) -> str:
    at = ", ".join(f"{name}={size}" for name, size in sizes.items())
    return (
        f"The cost of {form.model} is no closed form in {' and '.join(form.sizes)} that flopsight finds: at {at}, "
        f"{difference}. Give numbers for the sizes."
    )


def _samples(form: ClosedForm, uses: Mapping[str, str]) -> Iterator[dict[str, int]]:
    """Sizes for further runs: usual ones, and for each question that the code asked some that are answered otherwise."""
    pools = {"batch": _BATCHES, "tokens": _FEW_TOKENS, "space": _LITTLE_SPACE}
    turn: Counter[str] = Counter()
    start = {}
    for name, use in uses.items():
        start[name] = turn[use]
        turn[use] += 1
    made = [
        {name: pools[use][(start[name] + turn_) % len(pools[use])] for name, use in uses.items()}
        for turn_ in range(_TRIED)
    ]
    yield from made
    if len(form.tried) < _NEEDED and "space" in uses.values():
        pools["space"] = _MUCH_SPACE
        yield from ({name: pools[use][(start[name] + turn_) % len(pools[use])] for name, use in uses.items()} for turn_ in range(_TRIED))
    yield from islice(_flipping(form, made), _FLIPPED)


def _flipping(form: ClosedForm, made: list[dict[str, int]]) -> Iterator[dict[str, int]]:
    for assumption in form.assumptions:
        guard = assumption.guard
        if any(not guard.holds(sizes) for sizes in made):
            continue
        near = {1, 2, 3, 4, 8, 16, 32, 49, 64, 196, 224, 256, 384, 512, 1024}
        for poly in (guard.left, guard.right):
            if (n := poly.constant) is not None:
                near |= {n - 1, n, n + 1}
        flipped = (
            {**base, name: size}
            for base in made[:2]
            for name in guard.names()
            for size in sorted(near)
            if size > 0 and not guard.holds({**base, name: size})
        )
        if (sizes := next(flipped, None)) is not None:
            made.append(sizes)
            yield sizes


def _difference(form: Profile, run: Profile) -> tuple[str, str]:
    """What two profiles do not count alike: an effect of `Assumption`, and a sentence where it is the count."""
    a, b = _by_module(form), _by_module(run)
    for path in {**a, **b}:
        mine, others = a.get(path, ZERO), b.get(path, ZERO)
        if (mine.macs, mine.exact) != (others.macs, others.exact):
            where = f"module {path!r}" if path else "the model"
            return "count", f"{where} does {mine.exact:,} operations by the formulas, and {others.exact:,} when run"
    return ("none" if _by_operator(form) == _by_operator(run) else "kernel"), ""


def _by_module(record: Profile) -> dict[str, Cost]:
    table: dict[str, Cost] = {}
    for (index, scope, _), times in record._counts.items():
        if (cost := record.operations[index].cost) is not None:
            path = record.scopes[scope].path
            table[path] = table.get(path, ZERO) + times * cost
    return table


def _by_operator(record: Profile) -> dict[str, tuple[int, Cost]]:
    return {name: (tally.calls, tally.cost) for name, tally in record.by_operator().items()}
