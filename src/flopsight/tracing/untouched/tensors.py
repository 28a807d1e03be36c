"""The user's tensors and random state: what may be written, and putting back what was."""

from __future__ import annotations

import random
from collections.abc import Iterable, MutableMapping
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch.utils.weak import WeakIdKeyDictionary

from flopsight.tracing.fake import storage_key
from flopsight.tracing.operators.operation import OperatorInfo
from flopsight.tracing.untouched.others import OtherThreads, numpy_random
from flopsight.tracing.values.deferred import Deferred, Memory, before_write

_WRITES_UNSAID = {"aten::native_batch_norm", "aten::cudnn_batch_norm", "aten::miopen_batch_norm"}
"""Operators that write to running statistics, though their schemas do not say so."""


class UserTensors:
    """Tells the user's tensors from those made during the run, and keeps the former as they are.

    On fake tensors, a write to a tensor of the user's is not done: its values are then unknown for the rest of the run
    (`overwritten`). With real execution it is done, and undone at the end.
    """

    def __init__(self, *, protect: bool) -> None:
        self.protect = protect
        self.overwritten: dict[int, Any] = {}
        self._made: WeakValueDictionary[int, torch.UntypedStorage] = WeakValueDictionary()
        self._memories: MutableMapping[torch.UntypedStorage, Memory] = WeakIdKeyDictionary()
        self._kept: set[int] = set()
        self.reached: list[torch.Tensor] = []
        self._looked_at = 0
        self._before: dict[int | None, tuple[torch.Tensor, torch.Tensor]] = {}
        self._versions: dict[int | None, tuple[torch.Tensor, int]] = {}
        self._random: torch.Tensor | None = None
        self._others = OtherThreads()
        self._python_random = random.getstate() if protect else None
        numpy = numpy_random() if protect else None
        self._numpy_random = None if numpy is None else partial(numpy.set_state, numpy.get_state())

    def keep(self, tensors: Iterable[torch.Tensor], buffers: Iterable[torch.Tensor]) -> None:
        """Tensors whose values are to be put back if real execution writes to them.

        Buffers are copied now: batch normalization writes its running statistics without its schema saying so.
        """
        self._kept |= {key for tensor in tensors if (key := storage_key(tensor)) is not None}
        for buffer in buffers:
            self._copy(storage_key(buffer), buffer)

    def _copy(self, key: int | None, tensor: torch.Tensor) -> None:
        self._note_version(key, tensor)
        with torch._C._DisableTorchDispatch(), torch.no_grad():
            self._before[key] = (tensor.detach(), tensor.detach().clone())

    def _note_version(self, key: int | None, tensor: torch.Tensor) -> None:
        if self.protect and key not in self._versions and not tensor.is_inference():
            self._versions[key] = (tensor, tensor._version)

    def note_made(self, out: Any) -> None:
        """Tensors that the run made: they may be written."""
        if isinstance(out, torch.Tensor):
            key = storage_key(out)
            if key is not None:
                self._made[key] = out.untyped_storage()
        elif isinstance(out, (list, tuple)):
            for item in out:
                self.note_made(item)

    def is_made(self, tensor: torch.Tensor) -> bool:
        """Whether the run made this tensor's memory."""
        return bool(self._made) and storage_key(tensor) in self._made

    def note_overwritten(self, tensor: torch.Tensor) -> None:
        """The values of a tensor are no longer what its memory holds."""
        if type(tensor) is Deferred:
            tensor.memory.unknown = True
            return
        key = storage_key(tensor)
        if key is not None:
            self._note_version(key, tensor)
            self.overwritten[key] = tensor.untyped_storage()

    def memory_of(self, tensor: torch.Tensor) -> Memory | None:
        """What tells who is still to read a real tensor; None for one that the run does not write to."""
        made = self._made.get(storage_key(tensor) or 0)
        return None if made is None else self._memories.setdefault(made, Memory())

    def before_change(self, tensors: Iterable[torch.Tensor]) -> None:
        """Have real tensors read by what is still to read them, before they are written to or reshaped."""
        if self._memories:
            for tensor in tensors:
                made = self._made.get(storage_key(tensor) or 0)
                if made is not None and (memory := self._memories.get(made)) is not None:
                    before_write(memory)

    def is_overwritten(self, tensor: torch.Tensor) -> bool:
        """Whether the run wrote unknown values to this tensor's memory."""
        return storage_key(tensor) in self.overwritten

    def may_write(self, info: OperatorInfo, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether every tensor that the operator writes to was made during the run."""
        if info.packet in _WRITES_UNSAID:
            return False
        targets = (args[at] if at < len(args) else kwargs.get(name) for at, name in info.writes)
        return all(storage_key(t) in self._made for t in targets if isinstance(t, torch.Tensor))

    def before_write(self, info: OperatorInfo, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """In real execution, copy a tensor that is to be put back, before it is written for the first time."""
        if not self.protect:
            return
        if info.random:
            self.keep_random_state()
        targets = [args[at] if at < len(args) else kwargs.get(name) for at, name in info.writes]
        written = flat([args, *kwargs.values()] if info.packet in _WRITES_UNSAID else targets)
        if written:
            self._look_at_reached()
        for tensor in written:
            key = storage_key(tensor)
            if key in self._kept and key not in self._before:
                self._copy(key, tensor)

    def _look_at_reached(self) -> None:
        """Tensors reached since the last write, and their gradients, are kept too."""
        for tensor in self.reached[self._looked_at :]:
            gradient = tensor.grad if tensor.is_leaf else None
            self._kept |= {key for t in (tensor, gradient) if t is not None and (key := storage_key(t)) is not None}
        self._looked_at = len(self.reached)

    def keep_random_state(self) -> None:
        """Note PyTorch's random state before the first draw."""
        if self.protect and self._random is None:
            self._random = torch.get_rng_state()

    def restore(self) -> None:
        """Put back random states and the values of the user's tensors.

        Those of Python and NumPy are shared by all threads: if others ran, they stay, for one of them may have drawn
        numbers, which it must not draw again.
        """
        if not self._others.ran():
            if self._python_random is not None:
                random.setstate(self._python_random)
            if self._numpy_random is not None:
                self._numpy_random()
        if self._random is not None:
            torch.set_rng_state(self._random)
        with torch.no_grad():
            for tensor, before in self._before.values():
                if not torch.equal(tensor, before):  # a write, even of equal values, is a change to autograd
                    tensor.copy_(before)
        for tensor, version in self._versions.values():
            if tensor._version != version:
                _set_version(tensor, version)


def _set_version(tensor: torch.Tensor, version: int) -> None:
    set_version: Any = torch._C._autograd._unsafe_set_version_counter
    try:
        set_version((tensor,), (version,))
    except TypeError:  # PyTorch 2.6 takes them one by one
        set_version(tensor, version)


def flat(value: Any) -> list[torch.Tensor]:
    """The tensors among the arguments of an operator, in nested lists and tuples."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [t for item in value for t in flat(item)] if isinstance(value, (list, tuple)) else []
