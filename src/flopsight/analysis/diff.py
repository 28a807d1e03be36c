"""What changed from one profile to another, module by module. Needs no torch.

Changes are of what each module does and holds itself, and of all that was added or removed with a module, so that they
add up to the difference of the totals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flopsight.analysis.folding import Run, folded
from flopsight.analysis.modules import Modules, Own, key, parent
from flopsight.analysis.pairing import paired, renamed
from flopsight.calls import ModuleNode, Operation, ParameterRecord
from flopsight.record import ParameterCount, Record, Tally

_RELATED = 0.1
"""The part of a model's modules that is in another at least, if that is to be the same model, changed."""
ADDED, REMOVED, CHANGED, RENAMED = "added", "removed", "changed", "renamed"


@dataclass(frozen=True)
class Side:
    """What a change is of, before or after it.

    path: of the module; of the first of a run of equal ones. label: the same with the numbers of the run, `layers.0-7`.
    node: the module. counts: the operator calls that the change is about. records: the parameters and buffers.
    """

    path: str
    label: str
    node: ModuleNode
    counts: Mapping[Operation, int]
    records: tuple[ParameterRecord, ...]

    @property
    def tally(self) -> Tally:
        """What the calls cost."""
        return Tally(self.counts)

    @property
    def params(self) -> ParameterCount:
        """How many parameters there are."""
        return ParameterCount.of(list(self.records))


@dataclass(frozen=True)
class Change:
    """What happened to a module, or to `times` of them alike.

    what: `added` or `removed`, with all below it that is nowhere else in the other profile; `changed` in what it does
    or holds itself; `renamed`, and perhaps changed too. old, new: before and after, None where there was none.
    has_children: whether there are modules below, which the figures leave out unless it was added or removed.
    """

    what: str
    old: Side | None
    new: Side | None
    times: int = 1
    has_children: bool = False

    @property
    def side(self) -> Side:
        """After the change; before it, where nothing is left."""
        found = self.new or self.old
        assert found is not None, "a change has at least one side"
        return found


@dataclass(frozen=True)
class Diff:
    """What changed from one profile to another.

    changes: module by module, in the new model's order, what was removed last. related: whether the two share modules
    beside the root, a tenth of the smaller one's at least. unknown_added, unknown_removed: operators of unknown cost
    that only one has. notes_added, notes_removed: assumptions that only one makes.
    """

    old: Record
    new: Record
    changes: tuple[Change, ...]
    related: bool
    unknown_added: tuple[str, ...] = ()
    unknown_removed: tuple[str, ...] = ()
    notes_added: tuple[str, ...] = ()
    notes_removed: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything did."""
        return bool(self.changes or self.notes_added or self.notes_removed)


def diff(old: Record, new: Record) -> Diff:
    """What changed, with modules matched by path and class, renamed ones found, and equal changes of blocks as one."""
    modules = Modules()
    before, after = modules.of(old), modules.of(new)
    pairs = paired(before, after)
    found = [
        *_of_pairs(before, after, pairs),
        *_alone(after, set(pairs.values()), ADDED),
        *_alone(before, set(pairs), REMOVED),
    ]
    order = {path: place for place, path in enumerate(after)}
    found.sort(key=lambda run: len(order) if run.names[1] is None else order[run.names[1]])
    return Diff(
        old=old,
        new=new,
        changes=tuple(map(_one, folded(found))),
        related=_related(before, after, pairs),
        unknown_added=_only(new.unknown, old.unknown),
        unknown_removed=_only(old.unknown, new.unknown),
        notes_added=_only(new.notes, old.notes),
        notes_removed=_only(old.notes, new.notes),
    )


def _related(before: Mapping[str, Own], after: Mapping[str, Own], pairs: Mapping[str, str]) -> bool:
    """Whether enough is paired beside the roots; where one has nothing but a root, whether these are alike."""
    smaller = min(len(before), len(after))
    if smaller > 1:
        return sum(bool(one or other) for one, other in pairs.items()) >= _RELATED * (smaller - 1)
    kinds = [modules[""].node.kind if "" in modules else None for modules in (before, after)]
    return kinds[0] == kinds[1]


def bound(old: Tally, new: Tally) -> str:
    """What the difference of two tallies is: exact (empty) where the same calls are unknown in both, else a bound.

    `>= ` where more are unknown in the new one, `<= ` where fewer are, `?` where neither can be said.
    """
    before, after = _unknown(old), _unknown(new)
    came, gone = after - before, before - after
    return "?" if came and gone else ">= " * bool(came) + "<= " * bool(gone)


def _unknown(tally: Tally) -> Counter[Any]:
    calls: Counter[Any] = Counter()
    for operation, times in tally.counts.items():
        if operation.cost is None:
            calls[key(operation), repr(sorted(operation.arguments.items()))] += times
    return calls


def _only(these: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    known = set(others)
    return tuple(each for each in these if each not in known)


def _side(top: Own, inside: Sequence[Own]) -> Side:
    counts: Counter[Operation] = Counter()
    for own in inside:
        counts.update(own.counts)
    return Side(top.path, top.path, top.node, counts, tuple(record for own in inside for record in own.records))


def _of_pairs(before: Mapping[str, Own], after: Mapping[str, Own], pairs: Mapping[str, str]) -> Iterator[Run[Change]]:
    for old_path, new_path in pairs.items():
        old, new = before[old_path], after[new_path]
        moved = renamed(old_path, new_path, pairs)
        tied = [record.name for record in old.records] != [record.name for record in new.records]
        if moved or tied or (old.work, old.node.kind) != (new.work, new.node.kind):
            sides = _side(old, [old]), _side(new, [new])
            children = bool(old.children or new.children)
            alike = (moved, tied, old.work, new.work, old.node.kind, new.node.kind, children and moved and new.alike)
            change = Change(RENAMED if moved else CHANGED, *sides, has_children=children)
            yield Run((old_path, new_path), alike, (change,))


def _alone(modules: Mapping[str, Own], known: set[str], what: str) -> Iterator[Run[Change]]:
    """What has no partner, each with all below it that has none either."""
    groups: dict[str, list[Own]] = {}
    top: dict[str, str] = {}
    for path, own in modules.items():
        if path not in known:
            around = parent(path)
            top[path] = top.get(around, path) if around is not None else path
            groups.setdefault(top[path], []).append(own)
    for path, inside in groups.items():
        side = _side(modules[path], inside)
        alike = tuple((own.path[len(path) :], own.node.kind, own.work) for own in inside)
        change = Change(what, None, side) if what == ADDED else Change(what, side, None)
        names = (None, path) if what == ADDED else (path, None)
        yield Run(names, (what, alike), (replace(change, has_children=bool(modules[path].children)),))


def _one(run: Run[Change]) -> Change:
    """One change for those that are alike."""
    before, after = run.names
    old = _joined([change.old for change in run.items if change.old], before)
    new = _joined([change.new for change in run.items if change.new], after)
    return replace(run.items[0], old=old, new=new, times=run.times)


def _joined(sides: Sequence[Side], label: str | None) -> Side | None:
    if label is None:
        return None
    counts: Counter[Operation] = Counter()
    for side in sides:
        counts.update(side.counts)
    records = tuple(record for side in sides for record in side.records)
    return replace(sides[0], label=label, counts=counts, records=records)
