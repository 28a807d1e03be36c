"""Running a model for torchinfo's table, and laying out its rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from flopsight import conventions
from flopsight.compat._run import forward
from flopsight.compat.torchinfo.layers import LayerInfo, size_of
from flopsight.profiles import Profile


def run_rows(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], batch_dim: int | None
) -> tuple[list[LayerInfo], Profile]:
    """Rows for the calls of a forward pass, and its profile."""
    with _watching(model, batch_dim) as called:
        profile = forward(model, args, kwargs, seen=called)
    _count(called, profile)
    return finished(_with_containers(called, model)), profile


def all_rows(model: nn.Module) -> list[LayerInfo]:
    """A row for each module, in the model's order, from its construction alone."""
    return finished([_row(model, path, module) for path, module in model.named_modules(remove_duplicate=False)])


def finished(rows: list[LayerInfo]) -> list[LayerInfo]:
    """Number the rows within their depth, tell those of modules seen before, and give each its figures."""
    seen: set[int] = set()
    numbers: dict[int, int] = {}
    around: list[LayerInfo] = []
    for row in rows:
        if not (row.is_lazy and row.executed):
            row.count_parameters()
        row.is_recursive = id(row.module) in seen
        seen.add(id(row.module))
        row.depth_index = numbers[row.depth] = numbers.get(row.depth, 0) + 1
        around = [other for other in around if other.depth < row.depth]
        for other in around:
            other.children.append(row)
        around.append(row)
    return rows


def _row(model: nn.Module, path: str, module: nn.Module) -> LayerInfo:
    name = path.rpartition(".")[2] or type(model).__name__
    return LayerInfo(module, path, name, path.count(".") + 1 if path else 0)


@contextmanager
def _watching(model: nn.Module, batch_dim: int | None) -> Iterator[list[LayerInfo]]:
    """Collect a row for each call of the model's modules in this thread."""
    names: dict[int, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(path)
    called: list[LayerInfo] = []
    thread = threading.get_ident()

    def enter(module: nn.Module, inputs: Any) -> None:
        if id(module) in names and threading.get_ident() == thread:
            caller = next((row.path for row in reversed(called) if not row.executed), "")
            path = next((path for path in names[id(module)] if path.startswith(f"{caller}.")), names[id(module)][0])
            called.append(_row(model, path, module))

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        row = next((row for row in reversed(called) if row.module is module and not row.executed), None)
        if row is not None and threading.get_ident() == thread:
            row.executed = True
            if row.is_lazy:
                row.count_parameters()
            row.input_size, _ = size_of(inputs, batch_dim)
            row.output_size, row.output_bytes = size_of(output, batch_dim)

    hooks = (
        nn.modules.module.register_module_forward_pre_hook(enter),
        nn.modules.module.register_module_forward_hook(leave),
    )
    try:
        yield called
    finally:
        for hook in hooks:
            hook.remove()


def _count(called: list[LayerInfo], profile: Profile) -> None:
    """Give each row the multiply-adds of its call; those of a module that was not called itself, to its caller's."""
    count = conventions.get("torchinfo").count
    calls: dict[int, int] = {}
    rows: dict[tuple[int, int], LayerInfo] = {}
    for row in called:
        number = calls[id(row.module)] = calls.get(id(row.module), -1) + 1
        rows[id(row.module), number] = row
    modules = {row.path: id(row.module) for row in called}
    of_scope: list[LayerInfo] = []
    for scope in profile.scopes:
        found = rows.get((modules.get(scope.path, 0), scope.call))
        of_scope.append(found or (of_scope[scope.parent] if scope.parent >= 0 else called[0]))
    for operation, index, _ in profile.calls:
        if profile.operations[operation].cost is not None:
            of_scope[index].macs += count(profile.operations[operation])


def _with_containers(called: list[LayerInfo], model: nn.Module) -> list[LayerInfo]:
    """With a row for each module around a called one that was not called itself, such as an `nn.ModuleList`."""
    modules = dict(model.named_modules(remove_duplicate=False))
    rows: list[LayerInfo] = []
    current: list[str] = []
    for row in called:
        parts = row.path.split(".")
        around = [".".join(parts[:depth]) for depth in range(1, row.depth)]
        for depth, path in enumerate(around):
            if current[depth : depth + 1] != [path]:
                rows.append(_row(model, path, modules[path]))
                current = [*around[:depth], path]
        rows.append(row)
        if isinstance(row.module, torch.jit.ScriptModule):  # its modules are called where no hook sees it
            below = f"{row.path}." if row.path else ""
            rows += [_row(model, below + name, module) for name, module in row.module.named_modules() if name]
        current = [*around, row.path] if row.depth else []
    return rows
