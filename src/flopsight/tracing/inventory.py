"""The modules of a model as a run found them, for the next run: it looks at all of them at once, not at each.

What is kept beside a model keeps nothing of it alive, its modules are referred to weakly and its tensors not at all. It
is good while the modules are there, of the same classes, and hold modules, parameters and buffers of the same identity
and metadata under the same names.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from operator import attrgetter, eq, itemgetter
from typing import Any, NamedTuple

import torch
from torch import nn

from flopsight.calls import ModuleNode
from flopsight.tracing.metadata import Metadata
from flopsight.tracing.untouched.contents import STANDARD, Contents

PLAIN = (torch.Tensor, nn.Parameter)
"""The classes of tensors that have no say in what is done with them."""
NOT_PLAIN = -1
_held_by = itemgetter("_modules", "_parameters", "_buffers")
_properties_of = attrgetter("shape", "dtype", "device", "requires_grad")
seen_of = attrgetter("shape", "dtype", "requires_grad")
"""What of a tensor decides what a layer runs that holds it, and may change while it stays the same object."""


class Held(NamedTuple):
    """What is known of a real tensor.

    valueless: operators on it are not computed, because it has no values (meta device) or is a weight.
    path: the module that holds it; None for a tensor that no module holds. identity: its number among those held.
    """

    metadata: Metadata
    valueless: bool
    path: str | None = None
    identity: int = -1


class Holding(NamedTuple):
    """What one module holds.

    ids: the `id`s of its parameters and buffers, `NOT_PLAIN` for those that properties say not all of. metadata: what
    is known of each, None for none. seen, trainable: what `seen_of` tells of each of these that is there, and whether
    it requires a gradient.
    """

    ids: tuple[int, ...]
    metadata: tuple[Metadata | None, ...]
    seen: tuple[Any, ...]
    trainable: tuple[bool, ...]


class Found(NamedTuple):
    """What an inventory's modules hold.

    tensors: each once. contents: all that is in their dictionaries. own: the attributes that not every module has.
    trainable: the tensors that require a gradient, as often as they are held.
    """

    modules: list[nn.Module]
    tensors: list[torch.Tensor]
    contents: Contents
    own: Iterable[Any]
    trainable: Iterable[torch.Tensor]


class Inventory:
    """What a run found in a model: a list for its modules, in their order, or for its tensors, each of them once.

    paths, kinds, parameters, holdings: of the modules. special: the numbers of those of certain classes.
    ids: the tensors', in the order of their identity. held: what is known of these.
    """

    def __init__(
        self,
        modules: list[nn.Module],
        nodes: Iterable[ModuleNode],
        holdings: list[Holding],
        held: dict[int, Held],
        special: tuple[type, ...],
    ) -> None:
        self.paths, self.kinds, self.parameters = zip(
            *((node.path, node.kind, node.parameters) for node in nodes), strict=True
        )
        self.holdings = holdings
        self.special = [number for number, module in enumerate(modules) if isinstance(module, special)]
        self.ids = list(held)
        self.held = list(held.values())
        self._modules = [weakref.ref(module) for module in modules]
        self._types = list(map(type, modules))
        contents = Contents()
        contents.add_modules(list(map(vars, modules)))
        self._sizes, self._keys = contents.sizes(), contents.keys
        self._structure, self._tensors, self._own = _positions(modules, contents)
        self._held_ids = [id(contents.values[at]) for at in self._structure]
        tensors = [contents.values[at] for at in self._tensors]
        self._properties = list(properties(tensors))
        self._trainable = [at for at, tensor in zip(self._tensors, tensors, strict=True) if tensor.requires_grad]
        places = {id(tensor): place for place, tensor in enumerate(tensors)}
        self._places = [places[identity] for identity in self.ids]

    def found_again(self) -> Found | None:
        """What the modules hold; None if anything is not as it was, but for values and the modules' own attributes."""
        modules = [module for reference in self._modules if (module := reference()) is not None]
        if list(map(type, modules)) != self._types:
            return None
        contents = Contents()
        contents.add_modules(list(map(vars, modules)))
        if contents.sizes() != self._sizes or contents.keys != self._keys:
            return None
        value = contents.values.__getitem__
        if list(map(id, map(value, self._structure))) != self._held_ids:
            return None
        tensors = list(map(value, self._tensors))
        try:
            if not all(map(eq, properties(tensors), self._properties)):
                return None
        except RuntimeError:  # a tensor without strides
            return None
        held = [tensors[place] for place in self._places]
        return Found(modules, held, contents, map(value, self._own), map(value, self._trainable))


def _positions(modules: list[nn.Module], contents: Contents) -> tuple[list[int], list[int], list[int]]:
    """Where among the contents the modules, parameters and buffers are, where the tensors, and where own attributes."""
    held = {id(each) for module in modules for each in _held_by(vars(module))}
    own = {id(vars(module)) for module in modules}
    structure, tensors, attributes = [], [], []
    at = 0
    for dictionary in contents.filled:
        for key, value in dictionary.items():
            if id(dictionary) in held:
                structure.append(at)
                if isinstance(value, torch.Tensor):
                    tensors.append(at)
            elif id(dictionary) in own and key not in STANDARD:
                attributes.append(at)
            at += 1
    return structure, tensors, attributes


def properties(tensors: list[torch.Tensor]) -> Iterator[list[Any]]:
    """What is known of tensors but for their values. Raises: RuntimeError for one without strides."""
    yield list(map(type, tensors))
    yield list(map(_properties_of, tensors))
    yield list(map(torch.Tensor.stride, tensors))


_INVENTORIES: dict[int, Inventory | None] = {}
"""By the `id` of the model; None for one that was met, but not again."""


def inventory_of(model: nn.Module) -> Inventory | None:
    """What an earlier run found in a model."""
    return _INVENTORIES.get(id(model))


def is_met_again(model: nn.Module) -> bool:
    """Whether a run has met a model before; now one has. A model that is run once needs no inventory."""
    key = id(model)
    if key in _INVENTORIES:
        return True
    _INVENTORIES[key] = None
    weakref.finalize(model, _INVENTORIES.pop, key, None).atexit = False
    return False


def remember(model: nn.Module, inventory: Inventory) -> None:
    """Keep what a run found in a model that is met again for the next."""
    _INVENTORIES[id(model)] = inventory


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether a tensor's properties say all there is to know of it but for its values."""
    return type(tensor) in PLAIN and tensor.layout is torch.strided and not tensor.is_nested
