"""The module tree of a profile: containers opened, equal neighbours folded.

A `ModuleList` is never called and does no work, so its modules stand in its place, with its name before theirs.
Neighbours whose names count up and that are equal in class, parameters, shapes and work become one branch,
`layers.0-125 (126 x)`, whose numbers are the sums over them.

With `only`, the modules whose paths match a pattern are the tree, each under the nearest that matches around it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from flopsight.calls import ModuleNode, Operation, ParameterRecord, ancestors, is_inside
from flopsight.errors import InputError, near
from flopsight.record import ParameterCount, Record, Tally


@dataclass
class Branch:
    """A module, or `times` equal ones, with all below.

    label: its name under its parent. calls: how often it was called. counts: operator calls, those below included.
    own: operator calls of its own code. records: parameters and buffers, those below included. paths: of all that it
    stands for.
    """

    path: str
    label: str
    node: ModuleNode
    counts: Counter[Operation]
    own: Counter[Operation]
    records: list[ParameterRecord]
    children: list[Branch] = field(default_factory=list)
    paths: tuple[str, ...] = ()

    @property
    def times(self) -> int:
        """How many equal modules it stands for."""
        return len(self.paths)

    @property
    def calls(self) -> int:
        """Calls of the module, all that are folded together."""
        return self.node.calls * self.times

    @cached_property
    def tally(self) -> Tally:
        """What the module and all below it cost."""
        return Tally(self.counts)

    @cached_property
    def params(self) -> ParameterCount:
        """The parameters of the module and all below it."""
        return ParameterCount.of(self.records)

    @property
    def own_params(self) -> ParameterCount:
        """The parameters of the module without those below it."""
        below = sum((Counter(child.records) for child in self.children), Counter())
        return ParameterCount.of(list((Counter(self.records) - below).elements()))

    @cached_property
    def signature(self) -> Any:
        """Equal for two modules that are alike in everything but their names."""
        node = self.node
        return (
            (node.kind, node.calls, node.inputs, node.outputs, frozenset(self.counts.items())),
            tuple((record.name, record.spec, record.trainable) for record in node.parameters),
            tuple((child.label, child.times, child.signature) for child in self.children),
        )


def roots(profile: Record, *, fold: bool = True, only: str | None = None) -> list[Branch]:
    """The tree's top: the root module, or the modules of a run without one. With `fold`, as the module describes.

    only: a pattern, as of file names, for the paths of modules that are left. Raises: InputError if none is.
    """
    held = [path for path in profile.modules if is_inside(path, profile.root)]
    tallies = profile.by_module()
    branches = {path: _branch(profile, path, Counter(tallies[path].counts)) for path in held}
    top = []
    for path in held:
        parent = None if path == profile.root else next((up for up in _above(path) if up in branches), None)
        if parent is None:
            top.append(branches[path])
        else:
            branches[parent].children.append(branches[path])
            branches[path].label = path[len(parent) + 1 :] if parent else path
    for path in sorted(held, key=len, reverse=True):
        _finish(branches[path])
    if only is not None:
        top = _matching(top, matched(profile, only))
        return _merged(_opened(top)) if fold else top
    return [_folded(branch) for branch in top] if fold else top


def matched(profile: Record, pattern: str) -> set[str]:
    """The paths of modules that match a pattern, as of file names. Raises: InputError with near matches if none do."""
    held = profile.by_module()
    found = {path for path in held if fnmatchcase(path, pattern)}
    if not found:
        known = {path.rpartition(".")[0] for path in held}
        patterns = [path for path in held if path] + [f"{path}.*" for path in known if path]
        raise InputError(f"No module of {profile.model} has a path like {pattern!r}.{near(pattern, patterns)}")
    return found


def _matching(top: list[Branch], paths: set[str], above: str | None = None) -> list[Branch]:
    """The branches of these paths, each below the nearest of them around it, and named from there."""
    found: list[Branch] = []
    for branch in top:
        if branch.path in paths:
            label = branch.path[len(above) + 1 :] if above else branch.path or branch.label
            children = _matching(branch.children, paths, branch.path)
            found.append(replace(branch, label=label, children=children))
        else:
            found += _matching(branch.children, paths, above)
    return found


def _above(path: str) -> list[str]:
    return list(ancestors(path))[1:]


def _branch(profile: Record, path: str, counts: Counter[Operation]) -> Branch:
    node = profile.modules[path]
    return Branch(path, path or profile.model, node, counts, Counter(), list(node.parameters), paths=(path,))


def _finish(branch: Branch) -> None:
    """Add up what is below, and find what is the module's own."""
    branch.own = Counter(branch.counts)
    for child in branch.children:
        branch.own.subtract(child.counts)
        branch.records += child.records
    branch.own = +branch.own


def _folded(branch: Branch) -> Branch:
    """The same branch with containers opened and equal neighbours made one, all the way down."""
    called = bool(branch.calls or not branch.path)
    return replace(branch, children=_merged(_opened(branch.children, called=called)))


def _opened(branches: list[Branch], *, called: bool = True) -> list[Branch]:
    """The branches, folded, with what containers hold in their place. called: whether what is around them was."""
    opened: list[Branch] = []
    for branch in map(_folded, branches):
        if _is_container(branch):
            opened += [replace(below, label=f"{branch.label}.{below.label}") for below in branch.children]
        elif called or branch.counts:  # what is below a module never called was not called
            opened.append(branch)
    return opened


def _is_container(branch: Branch) -> bool:
    return not (branch.node.calls or branch.node.parameters or branch.own) and any(
        child.calls or child.counts for child in branch.children
    )


def _merged(children: list[Branch]) -> list[Branch]:
    runs: list[list[Branch]] = []
    for child in children:
        if runs and _follows(runs[-1][-1], child):
            runs[-1].append(child)
        else:
            runs.append([child])
    return [
        run[0] if len(run) == 1 else _one(run, f"{_up_to(run[0].label, run[-1].label)} ({len(run)} x)") for run in runs
    ]


def spanned(paths: Sequence[str]) -> str:
    """Several paths as one, which may be those of a folded branch: `layers.0-125.mlp`."""
    parts = zip(paths[0].split("."), paths[-1].split("."), strict=True)
    return ".".join(first if first == last else _up_to(first, last) for first, last in parts)


def _number(label: str) -> tuple[str, int] | None:
    """The number a name ends in, and what is before it."""
    found = re.fullmatch(r"(.*?)(\d+)", label)
    return (found[1], int(found[2])) if found else None


def _follows(first: Branch, second: Branch) -> bool:
    before, after = _number(first.label), _number(second.label)
    if before is None or after is None or first.times > 1 or second.times > 1:
        return False
    return after == (before[0], before[1] + 1) and first.signature == second.signature


def _up_to(first: str, last: str) -> str:
    number = _number(last)
    assert number is not None, "only numbered modules are folded"
    return f"{first}-{number[1]}"


def _one(run: list[Branch], label: str) -> Branch:
    """A branch for all of a run of equal ones."""
    return replace(
        run[0],
        label=label,
        counts=sum((branch.counts for branch in run), Counter()),
        own=sum((branch.own for branch in run), Counter()),
        records=[record for branch in run for record in branch.records],
        children=[_one(list(same), same[0].label) for same in zip(*(branch.children for branch in run), strict=True)],
        paths=tuple(path for branch in run for path in branch.paths),
    )
