"""What fvcore prints of a model: its tables of parameters, flops and activations, and its annotated `repr`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from torch import nn

from flopsight.compat._pipe import pipe_table
from flopsight.compat.fvcore.counts import ActivationCountAnalysis, FlopCountAnalysis

Figures = dict[str, dict[str, int]]
"""By module (and parameter) name, then by column."""
Cells = dict[str, dict[str, str]]
"""The same as text."""

_UNITS = ((1e14, 1e15, "P"), (1e11, 1e12, "T"), (1e8, 1e9, "G"), (1e5, 1e6, "M"), (1e2, 1e3, "K"))
"""Above the first number, divide by the second and write the letter."""
_ROUGH_UNITS = _UNITS[2:]
_NOT_CALLED = (
    "N/A indicates a possibly missing statistic due to how the module was called. "
    "Missing values are still included in the parent's total.\n"
)


def parameter_count(model: nn.Module) -> defaultdict[str, int]:
    """Elements by parameter name and by every module name around it; `""` is the model. A tied one counts once."""
    counts: defaultdict[str, int] = defaultdict(int)
    for name, parameter in model.named_parameters():
        parts = name.split(".")
        for depth in range(len(parts) + 1):
            counts[".".join(parts[:depth])] += parameter.numel()
    return counts


def parameter_count_table(model: nn.Module, max_depth: int = 3) -> str:
    """The parameters of modules to `max_depth`, and the shapes of those met on the way."""
    counts = parameter_count(model)
    shapes = {name: str(tuple(parameter.shape)) for name, parameter in model.named_parameters()}
    children = _children(counts)
    rows = [("model", _rough(counts[""]))]

    def fill(name: str, depth: int) -> None:
        if depth <= max_depth:
            for child in children[name]:
                indent = " " * depth
                rows.append((indent + child, indent + shapes.get(child, _rough(counts[child]))))
                fill(child, depth + 1)

    fill("", 1)
    return pipe_table(("name", "#elements or shape"), rows)


def flop_count_table(
    flops: FlopCountAnalysis,
    max_depth: int = 3,
    activations: ActivationCountAnalysis | None = None,
    show_param_shapes: bool = True,
) -> str:
    """Parameters, flops and, where given, activations, of modules to `max_depth`.

    A module with nothing but one child of the same figures shares its row. Modules without any figure are left out.
    """
    parameters = "#parameters or shape" if show_param_shapes else "#parameters"
    analyses = _quiet({"#flops": flops} | ({} if activations is None else {"#activations": activations}))
    model = flops._model
    by_column = {parameters: dict(parameter_count(model))} | {name: dict(a.by_module()) for name, a in analyses.items()}
    cells = _cells(_with_content(_by_name(by_column)), digits=3)
    for column, analysis in analyses.items():
        for name in analysis.uncalled_modules() & cells.keys():
            cells[name][column] = ""
    for name, parameter in model.named_parameters():
        if show_param_shapes and name in cells:
            cells[name][parameters] = str(tuple(parameter.shape))
        else:
            cells.pop(name, None)
    return _tree_table(cells, list(by_column), max_depth)


def flop_count_str(flops: FlopCountAnalysis, activations: ActivationCountAnalysis | None = None) -> str:
    """The model's `repr` with the parameters, flops and, where given, activations of every module."""
    analyses = _quiet({"#flops": flops} | ({} if activations is None else {"#acts": activations}))
    model = flops._model
    by_column = {"#params": dict(parameter_count(model))} | {name: dict(a.by_module()) for name, a in analyses.items()}
    for counts in by_column.values():
        for name, _ in model.named_modules():
            counts.setdefault(name, 0)
    uncalled = {column: analysis.uncalled_modules() for column, analysis in analyses.items()}
    keep = set().union(*uncalled.values())
    figures = {n: row for n, row in _by_name(by_column).items() if n in keep or not n or any(row.values())}
    cells = _cells(figures, digits=2)
    for column, names in uncalled.items():
        for name in names:
            cells[name][column] = "N/A"
    return (_NOT_CALLED if keep else "") + _annotated(model, "", cells)


def _quiet(analyses: Mapping[str, Any]) -> Mapping[str, Any]:
    for analysis in analyses.values():
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    return analyses


def _scaled(number: int, units: tuple[tuple[float, float, str], ...], digits: int) -> tuple[str, str]:
    for above, divisor, unit in units:
        if number > above:
            return f"{number / divisor:.{digits}f}", unit
    return str(number), ""


def _rough(number: int) -> str:
    return "".join(_scaled(number, _ROUGH_UNITS, 1))


def _text(number: int, digits: int) -> str:
    figure, unit = _scaled(number, _UNITS, digits)
    return figure.rstrip("0").rstrip(".") + unit if unit else figure


def _cells(figures: Figures, digits: int) -> Cells:
    return {name: {column: _text(n, digits) for column, n in row.items()} for name, row in figures.items()}


def _by_name(by_column: Mapping[str, Mapping[str, int]]) -> Figures:
    figures: Figures = {}
    for column, counts in by_column.items():
        for name, count in counts.items():
            figures.setdefault(name, {})[column] = count
    return figures


def _children(names: Mapping[str, Any]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {name: [] for name in names}
    for name in names:
        if name:
            children.setdefault(name.rpartition(".")[0], []).append(name)
    return children


def _with_content(figures: Figures) -> Figures:
    """Without the rows below the root that are zero throughout and have nothing else below them."""
    children = _children(figures)

    def holds(name: str) -> bool:
        return any(figures[name].values()) or any(map(holds, children[name]))

    return {name: row for name, row in figures.items() if not name or holds(name)}


def _tree_table(cells: Cells, columns: list[str], max_depth: int) -> str:
    children = _children(cells)
    rows: list[list[str]] = []

    def skip_wrappers(name: str) -> str:
        while len(children[name]) == 1 and (merged := _merged(cells[name], cells[children[name][0]])) is not None:
            name = children[name][0]
            cells[name] = merged
        return name

    def fill(name: str, depth: int, shown: str) -> None:
        indent = " " * depth
        rows.append([indent + shown, *(indent + cells[name][c] if c in cells[name] else "" for c in columns)])
        for child in children[name] if depth < max_depth else ():
            last = skip_wrappers(child)
            fill(last, depth + 1, last.removeprefix(prefix))

    root = skip_wrappers("")
    prefix = f"{root}." if root else ""
    fill(root, 0, root or "model")
    return pipe_table(["module", *columns], rows)


def _merged(one: dict[str, str], other: dict[str, str]) -> dict[str, str] | None:
    """Both rows as one, if where they differ one of the two is empty; else None."""
    if one.keys() != other.keys() or any(one[c] and other[c] and one[c] != other[c] for c in one):
        return None
    return {column: one[column] or other[column] for column in one}


def _annotated(module: nn.Module, path: str, cells: Cells) -> str:
    """The `repr` of a module with its cells after its own arguments."""
    kind: str = module._get_name()  # type: ignore[no-untyped-call]
    own = module.extra_repr().splitlines()
    own += [", ".join(f"{column}: {cell}" for column, cell in cells[path].items())] if path in cells else []
    lines = own.copy()
    for name, child in module._modules.items():
        below = "None" if child is None else _annotated(child, f"{path}.{name}" if path else name, cells)
        lines.append(f"({name}): " + below.replace("\n", "\n  "))
    if len(lines) == len(own) <= 1:
        return f"{kind}({''.join(lines)})"
    inside = "\n  ".join(lines)
    return f"{kind}(\n  {inside}\n)"
