"""Closed forms: a run at sizes that have names is followed, and held to further runs at numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flopsight.closed_form import Assumption, ClosedForm
from flopsight.errors import FlopsightError
from flopsight.profiles import Profile
from flopsight.sizes import Poly, Size
from flopsight.tracing.given.inputs import Spec, fill
from flopsight.tracing.sizing.checking import check
from flopsight.tracing.sizing.following import Following
from flopsight.tracing.values.assumed import specs_in

Run = Callable[[Any, Any], Profile]
"""Makes a profile of positional and keyword arguments."""


_BATCH = (211, 199, 157, 149)
_TOKENS = ((353, 419, 467, 491), (53, 59, 61, 67))
_SPACE = ((5227, 6571, 5527, 7243), (5024, 5536, 6112, 6496), (419, 467, 491, 353))
"""The numbers that names stand for in the run that is followed, where possible primes: they are to be told from the
numbers of the model. Halved again and again, the first do not come out as multiples of usual windows, which would need
no padding. What fails at the first is tried at the next: tables end, and windows have to fit.
"""


def names_in(args: Any) -> dict[str, str]:
    """The names of sizes in specs, each with its use: `batch`, `tokens` or `space`."""
    uses: dict[str, str] = {}
    for _, given in specs_in(args, ""):
        integer = given.dtype is not None and not given.dtype.is_floating_point and not given.dtype.is_complex
        for at, size in enumerate(given.shape):
            if isinstance(size, str):
                uses.setdefault(size, "batch" if at == 0 else "tokens" if integer else "space")
    return uses


def put(given: Any, sizes: Mapping[str, int]) -> Any:
    """Arguments with those numbers, or sizes, for the names."""

    def number(value: Any) -> Any:
        if not isinstance(value, Spec):
            return value
        return Spec(tuple(sizes[size] if isinstance(size, str) else size for size in value.shape), value.dtype)

    return fill(given, number)


def closed_form(run: Run, args: Any, kwargs: Any, uses: Mapping[str, str], again: Run) -> ClosedForm:
    """The closed form of a run: from the first numbers at which the model runs, and that are not taken for others.

    again: makes a profile later on, and does not keep the model. Raises: InputError where its cost is no closed form in
    these sizes, and what the run raises.
    """
    failed: FlopsightError | None = None
    for numbers in _numbers(uses):
        following = Following()
        try:
            form = _followed(run, args, kwargs, numbers, following)
            check(form, lambda sizes: run(put(args, sizes), put(kwargs, sizes)), uses)
        except FlopsightError as error:
            failed = failed or _forced(error, uses, following)
        else:
            form.retrace = lambda sizes: again(put(args, sizes), put(kwargs, sizes))
            return form
    assert failed is not None, "there are numbers to try"
    raise failed


def _forced(error: FlopsightError, uses: Mapping[str, str], following: Following) -> FlopsightError:
    """The error of a run, and which size seems to need a number: one that the code asked about last, if it did."""
    asked = next(reversed(following.guards), None)
    names = sorted(asked.names()) if asked is not None else list(uses)
    place = f", about which {asked.place} asks" if asked is not None and asked.place else ""
    sentence = f"{str(error).rstrip('.')}. It seems to need a number for {' or '.join(names)}{place}; give one there."
    forced = type(error)(sentence)
    forced.__cause__ = error.__cause__ or error
    return forced


def _followed(run: Run, args: Any, kwargs: Any, numbers: dict[str, int], following: Following) -> ClosedForm:
    """The run at sizes with names, which are those numbers in it."""
    sizes = {name: Size(number, Poly.named(name)) for name, number in numbers.items()}
    with following.active():
        return _form(run(put(args, sizes), put(kwargs, sizes)), following, numbers)


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
        assumptions=[Assumption(guard) for guard in following.guards],
    )


def _counts(record: Profile, numbers: Mapping[str, int]) -> dict[tuple[int, int, int], int]:
    """How often each operation ran in each scope; in all calls of a module together, if that is as often as a size."""
    first: dict[str, int] = {}
    for index, (path, _, _) in enumerate(record.scopes):
        first.setdefault(path, index)
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
