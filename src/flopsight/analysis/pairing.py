"""Which module of one profile is which of another: by path and class; else renamed, being equal in all but the name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flopsight.analysis.modules import Own, parent

_ENOUGH = 0.5
"""The part of a container's modules that has to be there again for it to be the same one under another name."""


def paired(old: Mapping[str, Own], new: Mapping[str, Own]) -> dict[str, str]:
    """For paths of the old modules, that of the same module in the new ones.

    Same path and class; then, in the model's order, what is equal with all below it under another path; then the same
    path, whatever the class; then containers of which at least half is there again.
    """
    pairs = {path: path for path in old if path in new and old[path].node.kind == new[path].node.kind}
    taken = set(pairs.values())
    _pair_equal(old, new, pairs, taken)
    for path in old:
        if path not in pairs and path in new and path not in taken:
            _add(pairs, taken, path, path)
    _pair_containers(old, new, pairs, taken)
    return pairs


def renamed(old: str, new: str, pairs: Mapping[str, str]) -> bool:
    """Whether a pair has another name or place, and not only because that around it has."""
    if old == new:
        return False
    above_old, above_new = parent(old), parent(new)
    same_place = above_old is not None and above_new is not None and pairs.get(above_old) == above_new
    return not same_place or old.rpartition(".")[2] != new.rpartition(".")[2]


def subtree(modules: Mapping[str, Own], path: str) -> Iterator[str]:
    """A module's path and those of all below it, in the model's order."""
    yield path
    for child in modules[path].children:
        yield from subtree(modules, child)


def _add(pairs: dict[str, str], taken: set[str], old: str, new: str) -> None:
    pairs[old] = new
    taken.add(new)


def _pair_equal(old: Mapping[str, Own], new: Mapping[str, Own], pairs: dict[str, str], taken: set[str]) -> None:
    """Pair what is equal with all below it; what does and holds nothing only if it stays in the same module."""
    left: dict[int, list[str]] = {}
    for path in new:
        if path not in taken:
            left.setdefault(new[path].alike, []).append(path)
    for path in old:
        if path in pairs or (candidates := left.get(old[path].alike)) is None:
            continue
        inside = list(subtree(old, path))
        if any(each in pairs for each in inside):
            continue
        substantial = any(old[each].does_something for each in inside)
        for candidate in candidates:
            around, around_candidate = parent(path), parent(candidate)
            beside = around is not None and pairs.get(around) == around_candidate
            there = list(subtree(new, candidate))
            if (substantial or beside) and not any(each in taken for each in there):
                for one, other in zip(inside, there, strict=True):
                    _add(pairs, taken, one, other)
                candidates.remove(candidate)
                break


def _pair_containers(old: Mapping[str, Own], new: Mapping[str, Own], pairs: dict[str, str], taken: set[str]) -> None:
    """Pair containers of one class under other names, and in them what has the same place and class."""
    spare = [path for path in new if path not in taken and new[path].children]
    for path in old:
        if path in pairs or not old[path].children:
            continue
        likeness = {
            candidate: _likeness(path, candidate, old, new, pairs, taken)
            for candidate in spare
            if candidate not in taken and new[candidate].node.kind == old[path].node.kind
        }
        best = max(likeness, key=likeness.__getitem__, default=None)
        if best is None or likeness[best] < _ENOUGH:
            continue
        for one, other in _same_places(path, best, old, new):
            if one not in pairs and other not in taken:
                _add(pairs, taken, one, other)


def _same_places(
    path: str, candidate: str, old: Mapping[str, Own], new: Mapping[str, Own]
) -> Iterator[tuple[str, str]]:
    """The modules of two containers that have the same place in them and the same class, themselves first."""
    for one in subtree(old, path):
        other = candidate + one[len(path) :]
        if other in new and new[other].node.kind == old[one].node.kind:
            yield one, other


def _likeness(
    path: str, candidate: str, old: Mapping[str, Own], new: Mapping[str, Own], pairs: Mapping[str, str], taken: set[str]
) -> float:
    """Which part of the larger of two containers is in the same place in both, and not paired with something else."""
    same = sum(
        pairs.get(one, other) == other and (one in pairs or other not in taken)
        for one, other in _same_places(path, candidate, old, new)
    )
    return (same - 1) / (max(sum(1 for _ in subtree(old, path)), sum(1 for _ in subtree(new, candidate))) - 1)
