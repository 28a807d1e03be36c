"""The modules of a profile with what each does and holds itself, so that two profiles can be compared by module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flopsight.calls import ModuleNode, Operation, ParameterRecord, ancestors, is_inside
from flopsight.record import ParameterCount, Record, Tally


@dataclass(frozen=True)
class Own:
    """What a module does and holds itself, without what is below it: over all modules these add up to the profile.

    path: below the root of the profile. label: the last part of it. counts: operator calls. records: parameters and
    buffers, a tied one with the first that holds it. work, alike: equal numbers for modules, of either profile, that do
    the same themselves; that are equal, all below them included, but for their own names. children: paths.
    """

    path: str
    label: str
    node: ModuleNode
    counts: Counter[Operation]
    records: list[ParameterRecord]
    work: int
    alike: int
    children: list[str] = field(default_factory=list)

    @property
    def does_something(self) -> bool:
        """Whether it runs operators or holds parameters itself."""
        return bool(self.counts or self.node.parameters)

    @property
    def tally(self) -> Tally:
        """What its own operator calls cost."""
        return Tally(self.counts)

    @property
    def params(self) -> ParameterCount:
        """The parameters that it holds."""
        return ParameterCount.of(self.records)


class Modules:
    """Takes profiles apart; numbers it gives are equal for what is equal in any of them."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}

    def _number(self, key: Any) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def of(self, record: Record) -> dict[str, Own]:
        """Every module by its path below the profile's root, in the model's order."""
        held = {_below(path, record.root): path for path in record.modules if is_inside(path, record.root)}
        counts, works = self._counts(record)
        children = _children(list(held))
        seen: set[int] = set()
        records = {path: _first_held(record.modules[full].parameters, seen) for path, full in held.items()}
        found: dict[str, Own] = {}
        for path in sorted(held, key=lambda each: (-each.count("."), not each)):  # what is below comes first
            node = record.modules[held[path]]
            work = self._number((node.calls, node.inputs, node.outputs, _held(node), works.get(held[path])))
            below = tuple((found[child].label, found[child].alike) for child in children.get(path, ()))
            alike = self._number((node.kind, work, below))
            own = counts.get(held[path], Counter())
            label = path.rpartition(".")[2]
            found[path] = Own(path, label, node, own, records[path], work, alike, children.get(path, []))
        return {path: found[path] for path in held}

    def _counts(self, record: Record) -> tuple[dict[str, Counter[Operation]], dict[str, frozenset[Any]]]:
        """The own operator calls of each module; and the same as something that is equal where the calls are."""
        numbers = {operation: self._number(key(operation)) for operation in record.operations}
        counts: dict[str, Counter[Operation]] = {}
        works: dict[str, Counter[tuple[int, str]]] = {}
        for (operation, module, phase), times in Counter(record).items():
            counts.setdefault(module, Counter())[operation] += times
            works.setdefault(module, Counter())[numbers[operation], phase] += times
        return counts, {path: frozenset(calls.items()) for path, calls in works.items()}


def key(operation: Operation) -> Any:
    """Equal for two calls of the same operator on tensors of the same kinds, of the same cost."""
    return operation.operator, tuple(operation.inputs.items()), operation.outputs, operation.dtype, operation.cost


def parent(path: str) -> str | None:
    """The path of the module around one; None for the root's."""
    return path.rpartition(".")[0] if path else None


def _below(path: str, root: str) -> str:
    return path[len(root) :].removeprefix(".") if root else path


def _held(node: ModuleNode) -> Any:
    return tuple((record.name, record.spec, record.trainable, record.buffer) for record in node.parameters)


def _first_held(parameters: tuple[ParameterRecord, ...], seen: set[int]) -> list[ParameterRecord]:
    first = [record for record in parameters if record.identity not in seen]
    seen.update(record.identity for record in parameters)
    return first


def _children(paths: list[str]) -> dict[str, list[str]]:
    """By path, the modules directly below, in order."""
    there = set(paths)
    children: dict[str, list[str]] = {}
    for path in paths:
        above: Iterator[str] = (each for each in list(ancestors(path))[1:] if each in there)
        if path and (around := next(above, None)) is not None:
            children.setdefault(around, []).append(path)
    return children
