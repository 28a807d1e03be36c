"""The components of a model, and what each costs: towers, projector, language model, head. Needs no torch."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from flopsight.analysis.curves import Work
from flopsight.analysis.weights import weight_bytes
from flopsight.calls import ancestors
from flopsight.record import Record

_STACK = "ModuleList"
"""What holds the layers of a tower one after the other."""


def components(record: Record) -> list[str]:
    """The paths of the modules that a model is made of, in its order.

    The root's children, and in place of one that holds several towers its children in turn. A tower is what holds one
    stack of layers, however deep; one that holds stacks itself is not opened.
    """
    children: defaultdict[str, list[str]] = defaultdict(list)
    stacks: list[str] = []
    for path, node in record.modules.items():
        if path:
            children[path.rpartition(".")[0]].append(path)
            if node.kind == _STACK and not any(path.startswith(f"{outer}.") for outer in stacks):
                stacks.append(path)

    def parts(path: str) -> list[str]:
        inside = [stack for stack in stacks if stack.startswith(f"{path}.")]
        opened = len(inside) > 1 and not any(stack in children[path] for stack in inside)
        return [part for child in children[path] for part in parts(child)] if opened else [path]

    return [part for child in children[""] for part in parts(child)]


def split(record: Record) -> dict[str, Work]:
    """What each component costs that does anything, by its path; under the empty path what none of them does.

    Multiply-accumulates and scalar operations add up to the record's; a weight that two components read is read twice.
    """
    paths = components(record)
    of = [next((path for path in ancestors(scope.path) if path in paths), "") for scope in record.scopes]
    calls: dict[str, list[tuple[int, int, int]]] = {path: [] for path in [*paths, ""]}
    for call in record.calls:
        calls[of[call[1]]].append(call)
    found = {path: replace(record, calls=some) for path, some in calls.items() if some}
    return {path: Work(part.macs, part.cost.exact, weight_bytes(part)) for path, part in found.items()}
