"""The modules of a run: their paths, and the parameters and buffers they hold."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]
from torch.overrides import TorchFunctionMode

from flopsight.calls import ModuleNode, Operation, ParameterRecord
from flopsight.tracing.compiled import is_wrapper, original
from flopsight.tracing.fake import Metadata, has_values, metadata_of, storage_key
from flopsight.tracing.script import unseen
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


class Known(NamedTuple):
    """A module met: its record, and what has to be done about its functions while it runs, if anything.

    unseen: what it runs past the dispatcher.
    """

    node: ModuleNode
    functions: Callable[[], TorchFunctionMode] | None
    module: nn.Module
    unseen: list[Operation]


class _NoFastPath(TorchFunctionMode):
    """While any function mode is active, PyTorch's fused attention and encoder layers take their ordinary path."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


_FUSED_IN_EVAL = (nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer)


class Modules:
    """The modules met so far.

    nodes: their records by path. held: their parameters and buffers, by `id`. uninitialized: the paths of PyTorch's
    lazy modules whose parameters have no shape yet. wrappers: the `id`s of compiled modules, whose originals are called
    inside them and have their paths.
    restore: put their attributes and gradients back at the end.
    """

    def __init__(self, *, restore: bool) -> None:
        self.nodes: dict[str, ModuleNode] = {}
        self.held: dict[int, Held] = {}
        self.uninitialized: list[str] = []
        self.wrappers: set[int] = set()
        self.state = ModuleState() if restore else None
        self._known: dict[int, Known] = {}
        self._lock = Lock()  # threads of the run share these
        self._storages: dict[int | None, Held] = {}
        self._storages_of = 0

    def adopt(self, module: nn.Module, path: str) -> None:
        """Give `module` and all below it their paths, in the order of `named_modules`, and note their parameters."""
        waiting = [(path, module)]
        while waiting:
            name, child = waiting.pop()
            if id(child) in self._known:
                continue
            if is_wrapper(child):
                inner = original(child)
                self.adopt(inner, name)
                self._known[id(child)] = self._known[id(inner)]._replace(module=child)
                self.wrappers.add(id(child))
                continue
            holds = child._parameters or child._buffers
            node = ModuleNode(name, type(child).__name__, self._parameters(child, name) if holds else ())
            self.nodes[name] = node
            self._known[id(child)] = Known(node, self._functions(child), child, unseen(child))
            if self.state is not None:
                self.state.keep(child)
            if child._modules:
                prefix = f"{name}." if name else ""
                below = [(prefix + key, each) for key, each in child._modules.items() if each is not None]
                waiting.extend(reversed(below))
        if self.state is not None:
            self.state.walk()

    def _functions(self, module: nn.Module) -> Callable[[], TorchFunctionMode] | None:
        if isinstance(module, _FUSED_IN_EVAL):
            return _NoFastPath
        return None

    def _parameters(self, module: nn.Module, path: str) -> tuple[ParameterRecord, ...]:
        records: list[ParameterRecord] = []
        everything = self.held
        for buffer, tensors in ((False, module._parameters), (True, module._buffers)):
            for name, tensor in tensors.items():
                if tensor is None:
                    continue
                if isinstance(tensor, UninitializedTensorMixin):
                    if isinstance(module, LazyModuleMixin):  # it would give the user's parameter a shape
                        self.uninitialized.append(path)
                    continue
                held = everything.get(id(tensor))
                if held is None:
                    meta = metadata_of(tensor)
                    valueless = (not buffer and meta.numel > 1) or not has_values(tensor)
                    held = everything[id(tensor)] = Held(tensor, meta, valueless, path, len(everything))
                records.append(ParameterRecord(name, held.metadata.spec, tensor.requires_grad, buffer, held.identity))
        return tuple(records)

    def held_at(self, tensor: torch.Tensor) -> Held:
        """What is known of a real tensor that no module holds as such, but which may be a view of one held."""
        if tensor.requires_grad and self.state is not None:
            self.state.gradients.note(tensor)
        if self._storages_of != len(self.held):
            self._storages_of = len(self.held)
            self._storages = {storage_key(held.tensor): held for held in reversed(self.held.values())}
        base = self._storages.get(storage_key(tensor))
        if base is None:
            return Held(tensor, metadata_of(tensor), not has_values(tensor))
        return Held(tensor, metadata_of(tensor), base.valueless, base.path)

    def forget(self) -> None:
        """Let go of the modules, so that nothing but the user's own references keeps them. The nodes stay."""
        self.state = None
        for held in (self.held, self._known, self._storages):
            held.clear()

    def parameters(self) -> list[nn.Parameter]:
        """Every parameter of the modules met so far, each once."""
        return [held.tensor for held in self.held.values() if isinstance(held.tensor, nn.Parameter)]

    def all(self) -> list[nn.Module]:
        """Every module met so far."""
        return [known.module for known in self._known.values()]

    def known(self, module: nn.Module, around: str) -> Known:
        """What is known of a module; one that belongs to no model met so far gets its class's name below `around`."""
        known = self._known.get(id(module))
        if known is not None:
            return known
        with self._lock:
            return self._met(module, around)

    def _met(self, module: nn.Module, around: str) -> Known:
        if id(module) in self._known:
            return self._known[id(module)]
        kind = type(original(module)).__name__
        base = f"{around}.{kind}" if around else kind
        names = (base if n == 1 else f"{base}#{n}" for n in range(1, len(self.nodes) + 2))
        self.adopt(module, next(name for name in names if name not in self.nodes))
        return self._known[id(module)]
