"""What the shims say of the models that the originals were asked about, and why it differs, to the unit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from compat.originals import IMAGE, MODELS, RECORDED, build

import flopsight
from flopsight import Profile, conventions

FUNCTIONS = "it sees modules only, and this model calls functions too"
LAST_CALL = "of a layer that is called several times, it counts the last call only"
COUNTED_TWICE = (
    "it counts an activation or pooling twice where a module calls it and once where the model does; flopsight counts "
    "it the same way wherever it runs"
)

FIGURES = {
    ("thop", "macs"): "thop",
    ("ptflops", "macs"): "ptflops",
    ("ptflops_aten", "macs"): "ptflops_aten",
    ("flopth", "flops"): "flopth",
    ("torchstat", "madd"): "torchstat_madd",
    ("torchstat", "flops"): "torchstat",
    ("torchstat", "read"): "torchstat_read",
    ("torchstat", "written"): "torchstat_write",
}
"""The figures of each tool, and the convention that each of them goes by."""


class Row(NamedTuple):
    """One figure: what the original says, what flopsight says, and for each reason how much the original leaves out."""

    tool: str
    figure: str
    model: str
    original: int
    ours: int
    reasons: dict[str, int]


@cache
def profile(name: str) -> Profile:
    return flopsight.profile(build(name).eval(), (1, *IMAGE))


def count(record: Profile, convention: str, keep: Callable[[str, int], bool]) -> int:
    """The count of the operator calls for which `keep(module path, which call of the module)` holds."""
    counted = conventions.get(convention).count
    scopes = (record.scopes[scope] for _, scope, _ in record.calls)
    calls = zip(record, scopes, strict=True)
    return sum(counted(call.operation) for call, scope in calls if keep(scope.path, scope.call))


def functions(record: Profile, convention: str) -> int:
    """What modules with children do themselves."""
    parents = {path.rpartition(".")[0] for path in record.modules if path}
    return count(record, convention, lambda path, _: path in parents)


def earlier_calls(record: Profile, convention: str) -> int:
    """What layers do in all their calls but the last."""
    parents = {path.rpartition(".")[0] for path in record.modules if path}
    modules = record.modules
    return count(record, convention, lambda path, call: path not in parents and call < modules[path].calls - 1)


def reasons(tool: str, record: Profile, convention: str) -> dict[str, int]:
    if tool == "ptflops_aten":
        return {}
    if tool == "ptflops":
        return {COUNTED_TWICE: functions(record, convention) // 2}
    found = {FUNCTIONS: functions(record, convention)}
    if tool in ("flopth", "torchstat"):
        found[LAST_CALL] = earlier_calls(record, convention)
    return found


def rows() -> Iterator[Row]:
    recorded = json.loads(RECORDED.read_text())
    for (tool, figure), convention in FIGURES.items():
        for model in MODELS:
            record = profile(model)
            why = {reason: less for reason, less in reasons(tool, record, convention).items() if less}
            yield Row(tool, figure, model, recorded[tool][model][figure], record.total(convention), why)
