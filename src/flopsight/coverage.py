"""Which of PyTorch's operators are counted, and by which equation: the page docs/operators.md is made of this.

python -m flopsight.coverage docs/operators.md
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import torch
from torch._ops import OpOverload

from flopsight.errors import FormulaError
from flopsight.formulas.equation import work
from flopsight.formulas.registry import Formula, load_formulas
from flopsight.sources.torchvision_operators import torchvision_importable
from flopsight.tracing.constructs.higher_order import FOLLOWED

STATUSES = {
    "counted": "has a formula",
    "zero": "has a formula that says why there is nothing to count",
    "decomposed": "PyTorch writes it with other operators, and is asked to: those are counted part by part",
    "composite": "PyTorch replaces it with other operators before it is dispatched: those are counted",
    "unknown": "a run that meets it says so, and its total is a lower bound",
}
"""By status, what it means; an operator packet is what the last of these that one of its overloads is, says."""

NAMESPACES = ("aten", "prims", "torchvision", "quantized", "_c10d_functional", "higher_order")

_RANK = {"composite": 0, "zero": 1, "counted": 2, "decomposed": 3, "unknown": 4}

_WRAPPERS = {
    "dynamo_bypassing_wrapper",
    "register_hook",
    "tag_activation_checkpoint",
    "wrap",
    "wrap_with_autocast",
    "wrap_with_set_grad_enabled",
}
"""Higher-order operators that PyTorch never dispatches, as they only call a function; held to a run by the tests."""


class Packet(NamedTuple):
    """An operator with all its overloads: `aten::add`."""

    name: str
    status: str
    core: bool


def packets() -> list[Packet]:
    """Every operator packet of the namespaces that are walked, by name."""
    _register()
    found: dict[str, list[str]] = {}
    for overload in torch._C._dispatch_get_all_op_names():
        if overload.partition("::")[0] in NAMESPACES:
            found.setdefault(overload.partition(".")[0], []).append(overload)
    plain = [
        Packet(name, _worst(map(status, overloads)), any(map(_is_core, overloads))) for name, overloads in found.items()
    ]
    return sorted([*plain, *_higher_order()])


def _worst(statuses: Iterable[str]) -> str:
    return max(statuses, key=_RANK.__getitem__)


@cache
def _register() -> None:
    """Import what registers operators, so that the walk does not depend on what ran before it."""
    import torch._decomp.decompositions
    import torch._higher_order_ops
    import torch._inductor.inductor_prims
    import torch._prims
    import torch.distributed._functional_collectives

    for module in pkgutil.iter_modules(torch._higher_order_ops.__path__):
        importlib.import_module(f"torch._higher_order_ops.{module.name}")
    with torchvision_importable():
        importlib.import_module("torchvision")


def status(overload: str) -> str:
    """How `namespace::name.overload` is counted."""
    formula = load_formulas().find(overload)
    if formula is not None:
        return "zero" if formula.reason else "counted"
    if torch._C._dispatch_has_kernel_for_dispatch_key(overload, "CompositeImplicitAutograd"):
        return "composite"
    from torch._decomp import decomposition_table

    found = _overload(overload)
    if found is not None and found in decomposition_table:
        return "decomposed"
    if torch._C._dispatch_has_kernel_for_dispatch_key(overload, "CompositeExplicitAutograd"):
        return "decomposed"
    return "unknown"


def _overload(name: str) -> OpOverload | None:
    namespace, _, rest = name.partition("::")
    packet, _, overload = rest.partition(".")
    found = getattr(getattr(getattr(torch.ops, namespace), packet, None), overload or "default", None)
    return found if isinstance(found, OpOverload) else None


def _is_core(name: str) -> bool:
    found = _overload(name)
    return found is not None and torch.Tag.core in found.tags


def _higher_order() -> Iterator[Packet]:
    from torch._ops import _higher_order_ops

    formulas = load_formulas()
    for name, operator in _higher_order_ops.items():
        if not type(operator).__module__.startswith("torch._higher_order_ops."):
            continue
        full_name = f"higher_order::{name}"
        if formulas.find(full_name) is not None:
            found = "counted"
        elif name in FOLLOWED:
            found = "decomposed"
        else:
            found = "composite" if name in _WRAPPERS else "unknown"
        yield Packet(full_name, found, core=False)


def kinds(formula: Formula) -> str:
    """The kinds of scalar work a formula counts, read off its worked case, or off its equation."""
    if formula.case is not None:
        cost = formula.case.cost
    else:
        try:
            cost = work(formula.equation)
        except (FormulaError, SyntaxError):
            return ""
    named = cost.to_dict()
    macs = ["multiply-accumulate"] if named.get("macs") else []
    return ", ".join(macs + [kind for kind in ("multiply", "add", "divide", "compare", "special") if named.get(kind)])


# --- the page ----------------------------------------------------------------------------------------------------


def page() -> str:
    """The page as Markdown."""
    walked = packets()
    return "\n".join([*_summary(walked), "", *_left(walked), "", *_counted(), "", *_zero(), ""])


def _summary(walked: list[Packet]) -> Iterator[str]:
    yield "# Operators"
    yield ""
    yield "<!-- Generated: python -m flopsight.coverage docs/operators.md -->"
    yield ""
    yield "Every operator that PyTorch dispatches is in one of five classes:"
    yield ""
    yield from (f"- *{name}*: {meaning}." for name, meaning in STATUSES.items())
    yield ""
    yield f"Operators of PyTorch {torch.__version__.partition('+')[0]}, all overloads of one name being one:"
    yield ""
    yield f"| namespace | operators | {' | '.join(STATUSES)} | not unknown |"
    yield f"|---|---:|{'---:|' * len(STATUSES)}---:|"
    for namespace in NAMESPACES:
        yield _row(namespace, [p for p in walked if p.name.startswith(f"{namespace}::")])
    yield _row("aten, tagged `core`", [p for p in walked if p.core])


def _row(title: str, some: list[Packet]) -> str:
    counts = Counter(packet.status for packet in some)
    known = len(some) - counts["unknown"]
    share = f"{100 * known / len(some):.1f} %" if some else "-"
    return f"| {title} | {len(some)} | {' | '.join(str(counts[name]) for name in STATUSES)} | {share} |"


def _left(walked: list[Packet]) -> Iterator[str]:
    for name in ("unknown", "decomposed"):
        yield f"## {name.capitalize()}"
        yield ""
        yield f"{STATUSES[name][0].upper()}{STATUSES[name][1:]}."
        yield ""
        yield ", ".join(f"`{packet.name}`" for packet in walked if packet.status == name) or "None."
        yield ""


def _counted() -> Iterator[str]:
    yield "## Counted"
    yield ""
    yield "Overloads, in-place twins and `out` variants share a formula. Its docstring derives the number."
    formulas = [f for f in load_formulas() if f.reason is None and f.source == "flopsight"]
    for family, members in groupby(sorted(formulas, key=lambda f: f.family), key=lambda f: f.family):
        yield ""
        yield f"### {family.capitalize()}"
        yield ""
        yield "| operator | equation | work | file |"
        yield "|---|---|---|---|"
        shared: dict[object, list[Formula]] = {}
        for formula in members:
            shared.setdefault(formula.rule, []).append(formula)
        for same in shared.values():
            names = ", ".join(f"`{formula.operator}`" for formula in same)
            file = same[0].rule.__module__.removeprefix("flopsight.formulas.")
            yield f"| {names} | {_cell(same[0].equation)} | {kinds(same[0])} | {file} |"


def _zero() -> Iterator[str]:
    yield "## Zero by definition"
    yield ""
    yield "| reason | operators |"
    yield "|---|---|"
    reasons: dict[str, list[str]] = {}
    for formula in load_formulas():
        if formula.reason is not None and formula.source == "flopsight":
            reasons.setdefault(formula.reason, []).append(formula.operator)
    for reason in sorted(reasons):
        yield f"| {_cell(reason)} | {', '.join(f'`{operator}`' for operator in reasons[reason])} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
