"""The rows of torchinfo's table: one for each call of a module, in the order of the calls, and containers between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from flopsight.cost import product


@dataclass(eq=False)
class LayerInfo:
    """A row. The names are torchinfo's.

    macs: multiply-adds of operators that ran in this call of the module itself, not in its children.
    children: the rows below. is_recursive: another row of the same module came before. is_lazy: it had parameters
    without a shape before its call. held: its parameters, as `parameters` gives them.
    """

    module: nn.Module
    path: str
    var_name: str
    depth: int
    class_name: str = ""
    depth_index: int | None = None
    executed: bool = False
    is_recursive: bool = False
    is_lazy: bool = False
    input_size: list[Any] = field(default_factory=list)
    output_size: list[Any] = field(default_factory=list)
    output_bytes: int = 0
    macs: int = 0
    children: list[LayerInfo] = field(default_factory=list)
    num_params: int = 0
    trainable_params: int = 0
    param_bytes: int = 0
    held: list[tuple[str, nn.Parameter, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.class_name = str(getattr(self.module, "original_name", type(self.module).__name__))
        self.is_lazy = any(map(is_lazy, self.module.parameters()))

    def count_parameters(self) -> None:
        """Take the figures of the module's parameters as they are now: a lazy one has none until it is called."""
        self.held = list(parameters(self.module))
        self.num_params = sum(count for _, _, count in self.held)
        self.trainable_params = sum(count for _, parameter, count in self.held if parameter.requires_grad)
        self.param_bytes = sum(count * parameter.element_size() for _, parameter, count in self.held)

    def __repr__(self) -> str:
        return f"{self.class_name}: {self.depth}"

    @property
    def is_leaf_layer(self) -> bool:
        """Whether the module has no children."""
        return not any(True for _ in self.module.children())

    @property
    def kernel_size(self) -> int | list[int] | None:
        """The module's own, where it has one."""
        size = getattr(self.module, "kernel_size", None)
        size = size.tolist() if isinstance(size, torch.Tensor) else size
        return list(size) if isinstance(size, Iterable) else size

    @property
    def groups(self) -> int | None:
        """The module's own, where it has them."""
        return getattr(self.module, "groups", None)

    @property
    def trainable(self) -> str:
        """Whether the parameters require gradients: True, False, Partial, or -- where there are none."""
        if not self.num_params:
            return "--"
        return {0: "False", self.num_params: "True"}.get(self.trainable_params, "Partial")

    def own_macs(self, reached_max_depth: bool) -> int:
        """The multiply-adds that this row shows: those of the rows below too, where they are not shown."""
        return self.macs + (sum(child.macs for child in self.children) if reached_max_depth else 0)

    def num_params_to_str(self, reached_max_depth: bool, own: int | None = None) -> str:
        """The cell of the parameters' column, for `own` of them; in parentheses where none is trained."""
        shown = self.num_params if own is None else own
        if self.num_params and self.is_recursive:
            return "(recursive)"
        frozen = not self.trainable_params and (reached_max_depth or self.is_leaf_layer)
        return "--" if not shown else f"({shown:,})" if frozen else f"{shown:,}"

    def macs_to_str(self, reached_max_depth: bool) -> str:
        """The cell of the multiply-adds' column."""
        return f"{self.own_macs(reached_max_depth):,}" if self.own_macs(reached_max_depth) else "--"


def own_params(rows: Iterable[LayerInfo]) -> dict[LayerInfo, int]:
    """For each row the parameters that it shows, so that the rows add up to the model's.

    A parameter is shown by the deepest row whose module holds it, and by the first of those.
    """
    owners: dict[int, tuple[LayerInfo, int]] = {}
    for row in rows:
        for _, parameter, count in () if row.is_recursive else row.held:
            if id(parameter) not in owners or owners[id(parameter)][0].depth < row.depth:
                owners[id(parameter)] = row, count
    own: dict[LayerInfo, int] = {}
    for row, count in owners.values():
        own[row] = own.get(row, 0) + count
    return own


def parameters(module: nn.Module) -> Iterator[tuple[str, nn.Parameter, int]]:
    """Names, parameters, and their numbers of elements; of one that a mask prunes, of those that are left."""
    masks = {name: mask for name, mask in module.named_buffers() if name.endswith("_mask") and not mask.is_meta}
    for name, parameter in module.named_parameters():
        if is_lazy(parameter):
            continue
        pruned = name.removesuffix("_orig")
        mask = masks.get(f"{pruned}_mask") if pruned != name else None
        yield (name, parameter, parameter.numel()) if mask is None else (pruned, parameter, int(mask.sum()))


def size_of(value: Any, batch_dim: int | None) -> tuple[list[Any], int]:
    """The size and bytes that torchinfo writes for inputs or outputs: those of the first tensor, of a dict the last."""
    sizes, itemsize = _first(list(value.values())[-1:] if isinstance(value, dict) else value)
    if batch_dim is not None and not isinstance(value, torch.Tensor) and batch_dim < len(sizes):
        sizes[batch_dim] = 1
    return sizes, itemsize * product(sizes)


def _first(value: Any) -> tuple[list[int], int]:
    tensor = getattr(value, "tensors", getattr(value, "data", value))
    if isinstance(tensor, torch.Tensor):
        return list(tensor.shape), tensor.element_size()
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)) and value:
        return _first(value[0])
    shape = getattr(value, "shape", None)
    return (list(shape), getattr(value, "itemsize", 0)) if isinstance(shape, tuple) else ([], 0)
