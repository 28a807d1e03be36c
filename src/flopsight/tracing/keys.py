"""The key of a call: the operator and the metadata of its arguments."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import Parameter

from flopsight.tracing.fake import Fake, has_values, metadata_of
from flopsight.tracing.inventory import Held
from flopsight.tracing.ledger import Ledger
from flopsight.tracing.modules import Modules
from flopsight.tracing.operators.operation import packed_tensors
from flopsight.tracing.untouched.tensors import UserTensors
from flopsight.tracing.values.deferred import Deferred

FAKE, VALUELESS, CONSTANT, DEFERRED = 1, 2, 4, 8
"""What the tensors of a call are, as bits; a constant is one of integers, whose values may decide shapes."""


class Keys:
    """Makes keys, and tells on the way which module holds a parameter that the call uses (`ledger.owner`)."""

    def __init__(self, modules: Modules, tensors: UserTensors, ledger: Ledger) -> None:
        self._modules = modules
        self._held = modules.held
        self._tensors = tensors
        self._ledger = ledger

    def _real(self, tensor: torch.Tensor, key: list[Any]) -> int:
        """Add the metadata of a tensor that is not fake to the key; what it is, as bits."""
        held = self._held.get(id(tensor))
        if held is None:
            made = self._tensors.is_made(tensor)
            held = Held(metadata_of(tensor), not has_values(tensor)) if made else self._modules.held_at(tensor)
        key.append(held.metadata)
        if held.path is not None:
            self._ledger.owner = held.path
        if self._tensors.overwritten and self._tensors.is_overwritten(tensor):
            return FAKE
        if held.valueless:
            return VALUELESS
        return 0 if held.metadata.dtype.is_floating_point else CONSTANT

    def add(self, values: Any, key: list[Any]) -> int:
        """Add the arguments to the key, tensors as their metadata; what the tensors are, as bits."""
        bits = 0
        for value in values:
            kind = type(value)
            if kind is Fake:
                meta = value.metadata
                key.append(meta if meta is not None else metadata_of(value))
                bits |= FAKE
            elif kind is int or value is None:
                key.append(value)
            elif kind is Parameter:
                bits |= self._real(value, key)
            elif kind is list or kind is tuple:
                if value and type(value[0]) is not int:
                    inner: list[Any] = []
                    bits |= self.add(value, inner)
                    key.append(tuple(inner))
                else:
                    key.append(tuple(value))
            elif kind is bool or kind is float or kind is complex:
                key.append((kind, value))
            elif kind is Deferred:
                key.append(metadata_of(value))
                bits |= FAKE if value.memory.unknown else DEFERRED if value.is_floating_point() else DEFERRED | CONSTANT
            elif isinstance(value, torch.Tensor):
                bits |= self._real(value, key)
            elif isinstance(value, torch.Generator):
                key.append(None)
            elif isinstance(value, torch.ScriptObject):
                key.append(packed_tensors(value))
            else:
                key.append(value)
        return bits
