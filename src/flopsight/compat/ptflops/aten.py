"""ptflops' second backend: totals by operator, of the model and of the modules right below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from flopsight import conventions
from flopsight.calls import Operation, Specs
from flopsight.profiles import Profile

_GLOBAL = "Global"


def only(record: Profile, keep: Callable[[Operation, str], bool]) -> Profile:
    """The profile of those calls for which `keep(operation, module path)` holds."""
    return replace(
        record,
        calls=[call for call in record.calls if keep(record.operations[call[0]], record.scopes[call[1]].path)],
    )


def total(
    record: Profile,
    ignored: Sequence[Any],
    rules: Mapping[Any, Callable[..., int]],
    as_macs: Callable[[int], str],
    say: Callable[..., None],
    *,
    table: bool,
    verbose: bool,
) -> int:
    """The count of the model; `ignored` and `rules` go by operator (`torch.ops.aten.mm`)."""
    left_out, by_rule = set(map(_name, ignored)), {_name(packet): rule for packet, rule in rules.items()}
    groups: dict[str, dict[str, int]] = {_GLOBAL: {}}
    each: dict[Operation, int] = {}
    for operation, module, _ in record:
        if operation not in each:
            each[operation] = _count(operation, by_rule)
        name = operation.name.replace("::", ".")
        if operation.name in left_out:
            say(f"Warning: {name} operation is ignored")
        elif each[operation] or operation.name in by_rule:
            for group in filter(None, (_GLOBAL, module.partition(".")[0])):
                counts = groups.setdefault(group, {})
                counts[name] = counts.get(name, 0) + each[operation]
        elif verbose:
            say(f"Warning: {name} operation is treated as a zero-op")
    macs = sum(groups[_GLOBAL].values())
    if table:
        _print(groups, macs, as_macs, say)
    return macs


def _print(
    groups: dict[str, dict[str, int]], macs: int, as_macs: Callable[[int], str], say: Callable[..., None]
) -> None:
    say("Total:" + as_macs(macs))
    for group, counts in groups.items():
        say("Module: ", group)
        for name, count in counts.items():
            say(f"{name}: {as_macs(count)}")
        say()


def _name(packet: Any) -> str:
    """`aten::mm` for `torch.ops.aten.mm`."""
    return str(getattr(packet, "_qualified_op_name", packet))


def _count(operation: Operation, rules: Mapping[str, Callable[..., int]]) -> int:
    rule = rules.get(operation.name)
    if rule is not None:
        outputs = tuple(torch.empty(spec.shape, device="meta") for spec in operation.outputs)
        return int(rule(_positional(operation), outputs))
    return conventions.get("ptflops_aten").count(operation) if operation.cost is not None else 0


def _positional(operation: Operation) -> list[Any]:
    """The operator's arguments in the order of its schema, tensors without values in place of the tensors."""
    packet, _, overload = operation.operator.partition(".")
    namespace, _, name = packet.partition("::")
    schema = getattr(getattr(getattr(torch.ops, namespace), name), overload or "default")._schema
    given = {**operation.arguments, **{name: _tensors(specs) for name, specs in operation.inputs.items()}}
    return [given.get(argument.name) for argument in schema.arguments if not argument.kwarg_only]


def _tensors(specs: Specs) -> Any:
    if isinstance(specs, tuple):
        return [_tensors(spec) for spec in specs]
    return None if specs is None else torch.empty(specs.shape, device="meta", dtype=getattr(torch, specs.dtype))
