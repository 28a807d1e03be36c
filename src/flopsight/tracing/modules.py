"""The modules of a run: their paths, and the parameters and buffers they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from threading import Lock
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.overrides import TorchFunctionMode

from flopsight.calls import ModuleNode, Operation, ParameterRecord, new
from flopsight.tracing.constructs.compiled import is_wrapper, original
from flopsight.tracing.constructs.script import unseen
from flopsight.tracing.fake import has_values, metadata_of, storage_key
from flopsight.tracing.inventory import (
    NOT_PLAIN,
    Found,
    Held,
    Holding,
    Inventory,
    inventory_of,
    is_met_again,
    remember,
)
from flopsight.tracing.likeness import Likeness, likenesses
from flopsight.tracing.metadata import Metadata, sizing
from flopsight.tracing.untouched.state import ModuleState


class Known(NamedTuple):
    """A module met: its record, and what has to be done about its functions while it runs, if anything.

    holding: the tensors it held then. unseen: what it runs past the dispatcher.
    """

    node: ModuleNode
    functions: Callable[[], TorchFunctionMode] | None
    module: nn.Module
    holding: Holding
    unseen: Sequence[Operation]

    def forward(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run its forward, past the hooks."""
        if self.functions is None:
            return self.module.forward(*args, **kwargs)
        with self.functions():
            return self.module.forward(*args, **kwargs)


class _NoFastPath(TorchFunctionMode):
    """While any function mode is active, PyTorch's fused attention and encoder layers take their ordinary path."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def _functions(kind: type[nn.Module]) -> Callable[[], TorchFunctionMode] | None:
    return _NoFastPath if issubclass(kind, _FUSED_IN_EVAL) else None


_FUSED_IN_EVAL = (nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer)
_EMPTY = Holding((), (), (), ())


class Modules:
    """The modules met so far.

    nodes: their records by path. tensors: their parameters and buffers, each once. held: what is known of these, by
    `id`. met: the modules, by `id`. uninitialized: the paths of PyTorch's
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
        self.tensors: list[torch.Tensor] = []
        self.met: dict[int, Known] = {}
        self._lock = Lock()  # threads of the run share these
        self._storages: dict[int | None, Held] = {}
        self._storages_of = 0

    def root(self, model: nn.Module) -> None:
        """Begin with a model: as an earlier run found it, if it holds the same."""
        inventory = inventory_of(model) if sizing.get() is None else None
        found = inventory.found_again() if inventory is not None else None
        if inventory is not None and found is not None:
            self._take(inventory, found)
            return
        self.adopt(model, "")
        if is_met_again(model) and self._is_plain():
            known = self.met.values()
            modules, holdings = [each.module for each in known], [each.holding for each in known]
            remember(model, Inventory(modules, self.nodes.values(), holdings, self.held, _FUSED_IN_EVAL))

    def _is_plain(self) -> bool:
        """Whether an inventory would say all there is to say of the modules met."""
        return (
            sizing.get() is None
            and not self.wrappers
            and not self.uninitialized
            and not any(
                isinstance(known.module, torch.jit.ScriptModule) or NOT_PLAIN in known.holding.ids
                for known in self.met.values()
            )
        )

    def _take(self, inventory: Inventory, found: Found) -> None:
        modules = found.modules
        nodes = list(map(ModuleNode, inventory.paths, inventory.kinds, inventory.parameters))
        functions: list[Any] = [None] * len(modules)
        for number in inventory.special:
            functions[number] = _functions(type(modules[number]))
        self.nodes.update(zip(inventory.paths, nodes, strict=True))
        self.held.update(zip(inventory.ids, inventory.held, strict=True))
        self.tensors += found.tensors
        known = map(Known, nodes, functions, modules, inventory.holdings, repeat(()))
        self.met.update(zip(map(id, modules), known, strict=True))
        if self.state is not None:
            self.state.keep_found(found)
            self.state.walk()

    def adopt(self, module: nn.Module, path: str) -> None:
        """Give `module` and all below it their paths, in the order of `named_modules`, and note what they hold."""
        adopted, wrapped = self._unmet(module, path)
        modules = [child for _, child in adopted]
        dictionaries = [held for each in modules for held in (each._parameters, each._buffers)]
        tensors = [tensor for held in dictionaries for tensor in held.values() if tensor is not None]
        known = likenesses(tensors)
        alike, first = iter(known), len(self.tensors)
        kinds = {kind: (_functions(kind), issubclass(kind, torch.jit.ScriptModule)) for kind in set(map(type, modules))}
        for name, child in adopted:
            holds = child._parameters or child._buffers
            parameters, holding = self._parameters(child, name, alike) if holds else ((), _EMPTY)
            node = self.nodes[name] = ModuleNode(name, type(child).__name__, parameters)
            functions, scripted = kinds[type(child)]
            fields = node, functions, child, holding, unseen(child) if scripted else ()
            self.met[id(child)] = new(Known, fields)
        for wrapper, inner in wrapped:
            self.met[id(wrapper)] = self.met[id(inner)]._replace(module=wrapper)
            self.wrappers.add(id(wrapper))
        if self.state is not None:
            trainable = [tensor for tensor, like in zip(tensors, known, strict=True) if like is None or like.trainable]
            self.state.keep_all(modules, self.tensors[first:], trainable)
            self.state.walk()

    def _unmet(
        self, module: nn.Module, path: str
    ) -> tuple[list[tuple[str, nn.Module]], list[tuple[nn.Module, nn.Module]]]:
        """Those not met yet of `module` and all below it, with their paths; each compiled one, with its original."""
        waiting = [(path, module)]
        met = set(self.met)
        unmet: list[tuple[str, nn.Module]] = []
        wrapped: list[tuple[nn.Module, nn.Module]] = []
        while waiting:
            name, child = waiting.pop()
            if child._modules and is_wrapper(child):
                wrapped.append((child, original(child)))
                child = wrapped[-1][1]
            if id(child) in met:
                continue
            met.add(id(child))
            unmet.append((name, child))
            if child._modules:
                prefix = f"{name}." if name else ""
                below = [(prefix + key, each) for key, each in child._modules.items() if each is not None]
                waiting.extend(reversed(below))
        return unmet, wrapped

    def _parameters(
        self, module: nn.Module, path: str, alike: Iterator[Likeness | None]
    ) -> tuple[tuple[ParameterRecord, ...], Holding]:
        """The records of what a module holds, of whose tensors `alike` tells next."""
        everything = self.held
        records: list[ParameterRecord] = []
        ids: list[int] = []
        metadata: list[Metadata | None] = []
        seen: list[tuple[Any, ...]] = []
        trainable: list[bool] = []
        for buffer, tensors in ((False, module._parameters), (True, module._buffers)):
            for name, tensor in tensors.items():
                like = None if tensor is None else next(alike)
                if tensor is None or like is None:
                    if tensor is not None and isinstance(module, LazyModuleMixin):
                        self.uninitialized.append(path)  # it would give the user's parameter a shape
                    ids.append(id(tensor) if tensor is None else NOT_PLAIN)
                    metadata.append(None)
                    continue
                meta, requires_grad, plain, has_values, look = like
                identity = id(tensor)
                held = everything.get(identity)
                if held is None:
                    number, valueless = len(everything), not has_values or (not buffer and meta.numel > 1)
                    everything[identity] = new(Held, (meta, valueless, path, number))
                    self.tensors.append(tensor)
                else:
                    meta, _, _, number = held
                records.append(new(ParameterRecord, (name, meta.spec, requires_grad, buffer, number)))
                ids.append(identity if plain else NOT_PLAIN)
                metadata.append(meta)
                seen.append(look)
                trainable.append(requires_grad)
        return tuple(records), new(Holding, (tuple(ids), tuple(metadata), tuple(seen), tuple(trainable)))

    def held_at(self, tensor: torch.Tensor) -> Held:
        """What is known of a real tensor that no module holds as such, but which may be a view of one held."""
        if tensor.requires_grad and self.state is not None:
            self.state.gradients.note(tensor)
        if self._storages_of != len(self.held):
            self._storages_of = len(self.held)
            pairs = zip(reversed(self.tensors), reversed(self.held.values()), strict=True)
            self._storages = {storage_key(held): known for held, known in pairs}
        base = self._storages.get(storage_key(tensor))
        if base is None:
            return Held(metadata_of(tensor), not has_values(tensor))
        return Held(metadata_of(tensor), base.valueless, base.path)

    def forget(self) -> None:
        """Let go of the modules, so that nothing but the user's own references keeps them. The nodes stay."""
        self.state = None
        for held in (self.held, self.tensors, self.met, self._storages):
            held.clear()

    def parameters(self) -> Iterator[nn.Parameter]:
        """Every parameter of the modules met so far, each once."""
        return (tensor for tensor in self.tensors if type(tensor) is nn.Parameter or isinstance(tensor, nn.Parameter))

    def all(self) -> list[nn.Module]:
        """Every module met so far."""
        return [known.module for known in self.met.values()]

    def meet(self, module: nn.Module, around: str) -> Known:
        """What is known of a module that belongs to no model met so far: it gets its class's name below `around`."""
        with self._lock:
            return self.met.get(id(module)) or self._adopt_below(module, around)

    def _adopt_below(self, module: nn.Module, around: str) -> Known:
        kind = type(original(module)).__name__
        base = f"{around}.{kind}" if around else kind
        names = (base if n == 1 else f"{base}#{n}" for n in range(1, len(self.nodes) + 2))
        self.adopt(module, next(name for name in names if name not in self.nodes))
        return self.met[id(module)]
