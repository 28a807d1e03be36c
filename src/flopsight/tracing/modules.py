"""The modules of a run: their paths, and the parameters and buffers they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]

from flopsight.record import ModuleNode, ParameterRecord
from flopsight.tracing.fake import Metadata, metadata_of, storage_key
from flopsight.tracing.state import ModuleState


class Held(NamedTuple):
    """What is known of a real tensor.

    valueless: operators on it are not computed, because it has no values (meta device) or is a weight.
    path: the module that holds it; None for a tensor that no module holds. identity: its number among those held.
    """

    tensor: torch.Tensor
    metadata: Metadata
    valueless: bool
    path: str | None = None
    identity: int = -1


class Modules:
    """The modules met so far.

    nodes: their records by path. held: their parameters and buffers, by `id`.
    restore: put their attributes and gradients back at the end.
    """

    def __init__(self, *, restore: bool) -> None:
        self.nodes: dict[str, ModuleNode] = {}
        self.held: dict[int, Held] = {}
        self.state = ModuleState() if restore else None
        self._paths: dict[int, str] = {}
        self._modules: list[nn.Module] = []
        self._storages: dict[int | None, Held] = {}

    def adopt(self, module: nn.Module, path: str) -> None:
        """Give `module` and all below it their paths, and note their parameters."""
        for name, child in module.named_modules(prefix=path):
            if id(child) in self._paths:
                continue
            self._paths[id(child)] = name
            self._modules.append(child)
            self.nodes[name] = ModuleNode(name, type(child).__name__, self._parameters(child, name))
            if self.state is not None:
                self.state.keep(child)

    def _parameters(self, module: nn.Module, path: str) -> tuple[ParameterRecord, ...]:
        held: list[ParameterRecord] = []
        for buffer, tensors in ((False, module._parameters), (True, module._buffers)):
            for name, tensor in tensors.items():
                if tensor is None or isinstance(tensor, UninitializedTensorMixin):
                    continue
                found = self.held.get(id(tensor))
                if found is None:
                    weight = not buffer and tensor.numel() > 1
                    found = Held(tensor, metadata_of(tensor), weight or tensor.is_meta, path, len(self.held))
                    self.held[id(tensor)] = found
                    self._storages.setdefault(storage_key(tensor), found)
                held.append(ParameterRecord(name, found.metadata.spec, tensor.requires_grad, buffer, found.identity))
        return tuple(held)

    def held_at(self, tensor: torch.Tensor) -> Held:
        """What is known of a real tensor that no module holds as such, but which may be a view of one held."""
        base = self._storages.get(storage_key(tensor))
        if base is None:
            return Held(tensor, metadata_of(tensor), tensor.is_meta)
        return Held(tensor, metadata_of(tensor), base.valueless, base.path)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Every parameter of the modules met so far, each once."""
        seen: set[int] = set()
        for module in self._modules:
            for parameter in module._parameters.values():
                if parameter is not None and id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield parameter

    def path(self, module: nn.Module, around: str) -> str:
        """The path of a module; one that belongs to no model met so far gets its class's name below `around`."""
        known = self._paths.get(id(module))
        if known is not None:
            return known
        base = f"{around}.{type(module).__name__}" if around else type(module).__name__
        names = (base if n == 1 else f"{base}#{n}" for n in range(1, len(self.nodes) + 2))
        path = next(name for name in names if name not in self.nodes)
        self.adopt(module, path)
        return path
