"""The life of every storage in a run: by which operator call it was made, and when the last tensor in it was gone.

A stand-in has no memory, but it lives exactly as long as the tensor would, in PyTorch's own references too. Those that
would share memory, by the schemas of the operators, share one `_Life`, whose end is the storage's. Real tensors are
followed by their own storages.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch._ops import OpOverload

from flopsight.calls import GRADIENTS, KINDS, SAVED, TEMPORARIES, WORKSPACE, Allocation
from flopsight.cost import TensorSpec
from flopsight.tracing.fake import Fake, metadata_in, metadata_of, storage_key
from flopsight.tracing.ledger import Ledger
from flopsight.tracing.memory.workspaces import WITH_WORKSPACE, workspace_bytes
from flopsight.tracing.operators.operation import OperatorInfo, info_of
from flopsight.tracing.scopes import BACKWARD
from flopsight.tracing.untouched.gradients import Gradients
from flopsight.tracing.untouched.tensors import flat
from flopsight.tracing.values.deferred import Deferred

_STAND_INS = (Fake, Deferred)
_VIEWS_UNSAID = {"aten::_unsafe_view", "aten::lift", "aten::unsafe_split", "aten::unsafe_split_with_sizes"}
"""Operators that return views of their first argument, though their schemas do not say so."""
_ROWS, _COLUMNS = ("crow_indices", "col_indices", "values"), ("ccol_indices", "row_indices", "values")
_SPARSE = {
    torch.sparse_coo: ("_indices", "_values"), torch.sparse_csr: _ROWS, torch.sparse_bsr: _ROWS,
    torch.sparse_csc: _COLUMNS, torch.sparse_bsc: _COLUMNS,
}  # fmt: skip
"""The tensors that a sparse one is made of, by layout."""
_SOLE_TENSOR, _SOLE_STORAGE, _SOLE_LIFE = 4, 2, 3
"""The references to a gradient that its accumulation alone holds, to its memory and to its life, as seen while the
dispatch mode is asked to add to it.
"""


class _Life:
    """One storage, from its making until no tensor refers to it."""

    __slots__ = ("number", "storages")

    def __init__(self, storages: Storages, number: int) -> None:
        self.storages = storages
        self.number = number

    def __del__(self) -> None:
        self.storages.end(self.number)


class Storages:
    """Follows the storages of one run, until it is told to stop.

    all: the storages, in the order they were made.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.all: list[Allocation] = []
        self._ledger = ledger
        self._moment = 0
        self._stopped = False
        self._lives: dict[int, _Life] = {}

    def keep(self, tensors: Iterable[torch.Tensor], kind: str, module: str | None = None) -> None:
        """Note what tensors are kept for, by the module of that path; those not met so far were there before."""
        for tensor in _with_storage(list(tensors)):
            number = self._of(tensor).number
            if KINDS.index(kind) < KINDS.index(self.all[number].kind):
                self.all[number] = self.all[number]._replace(kind=kind, module=module)

    def keep_saved(self) -> None:
        """Note that what else is alive is kept for a backward pass."""
        for number, storage in enumerate(self.all):
            if storage.kind == TEMPORARIES and storage.gone is None:
                self.all[number] = storage._replace(kind=SAVED)

    def keep_gradients(self, gradients: Gradients) -> None:
        """Note the gradients that leaves have now."""
        self.keep([leaf.grad for leaf in gradients.leaves if leaf.grad is not None], GRADIENTS)

    def made(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], results: Any) -> None:
        """Follow the results of an operator: they have the storage of an argument, or one of their own."""
        if self._stopped:
            return
        info, call = info_of(func), len(self._ledger.calls) - 1
        for tensor in _with_storage([*args, *kwargs.values()]):
            self._of(tensor)
        workspace = self._workspace(info, call, args, kwargs, results)
        for place, result in enumerate(results if isinstance(results, (list, tuple)) else (results,)):
            for tensor in _with_storage(result):
                if self._known(tensor) is None:
                    shared = _shared(info, place, args)
                    if shared is None and self._adds_in_place(info, args):
                        shared = args[0]
                    self._note(tensor, self._new(tensor, call) if shared is None else self._of(shared))
        if workspace is not None:
            self.all[workspace] = self.all[workspace]._replace(gone=self._next(), last_call=call)

    def _workspace(
        self, info: OperatorInfo, call: int, args: tuple[Any, ...], kwargs: dict[str, Any], results: Any
    ) -> int | None:
        if info.packet not in WITH_WORKSPACE:
            return None
        made = tuple(map(metadata_in, results)) if isinstance(results, (list, tuple)) else (metadata_in(results),)
        given = {name: metadata_in(value) for name, value in info.bound(args, kwargs).items()}
        nbytes = workspace_bytes(info, given, made)
        if not nbytes:
            return None
        self.all.append(Allocation(WORKSPACE, nbytes, TensorSpec((nbytes,), "uint8"), self._next(), call=call))
        return len(self.all) - 1

    def end(self, number: int) -> None:
        """Nothing refers to a storage any more."""
        if self._stopped:
            return
        node = torch._C._current_autograd_node()
        keeper = node.name() if node is not None and self._ledger.scopes.phase() == BACKWARD else None
        last = len(self._ledger.calls) - 1
        self.all[number] = self.all[number]._replace(gone=self._next(), last_call=last, keeper=keeper)

    def stop(self) -> None:
        """What ends from now on is no longer the run's."""
        self._stopped = True
        self._lives.clear()

    def _next(self) -> int:
        self._moment += 1
        return self._moment

    def _of(self, tensor: torch.Tensor) -> _Life:
        life = self._known(tensor)
        if life is None:
            life = self._new(tensor, None)
            self._note(tensor, life)
        return life

    def _new(self, tensor: torch.Tensor, call: int | None) -> _Life:
        spec = metadata_of(tensor)
        moment = 0 if call is None else self._next()
        self.all.append(Allocation(TEMPORARIES, _nbytes(tensor), spec.spec, moment, call=call))
        return _Life(self, len(self.all) - 1)

    def _known(self, tensor: torch.Tensor) -> _Life | None:
        if type(tensor) in _STAND_INS:
            life: _Life | None = vars(tensor).get("_life")
            return life
        return self._lives.get(storage_key(tensor) or 0)

    def _note(self, tensor: torch.Tensor, life: _Life) -> None:
        if type(tensor) in _STAND_INS:
            vars(tensor)["_life"] = life
        elif (key := storage_key(tensor)) is not None:
            self._lives[key] = life
            weakref.finalize(tensor.untyped_storage(), self._lives.pop, key, None).atexit = False

    def _adds_in_place(self, info: OperatorInfo, args: tuple[Any, ...]) -> bool:
        """Whether autograd adds two gradients of one tensor: into the first, if no mode is on and it alone holds it."""
        if info.name != "aten::add.Tensor" or self._ledger.scopes.phase() != BACKWARD:
            return False
        held, other = args
        if not isinstance(other, torch.Tensor) or held.shape != other.shape or held.dtype != other.dtype:
            return False
        if held._use_count() > _SOLE_TENSOR:
            return False
        if type(held) not in _STAND_INS:
            return int(torch._C._storage_Use_Count(held.untyped_storage()._cdata)) <= _SOLE_STORAGE
        return sys.getrefcount(self._known(held)) <= _SOLE_LIFE


def _with_storage(value: Any) -> list[torch.Tensor]:
    """The tensors among arguments or results that are one piece of memory, or stand in for one."""
    parts = [part for tensor in flat(value) for part in _parts(tensor)]
    return [t for t in parts if type(t) in _STAND_INS or storage_key(t) is not None]


def _parts(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What a sparse tensor has in memory; any other has itself."""
    if type(tensor) in _STAND_INS or tensor.layout not in _SPARSE:
        return (tensor,)
    with torch._C._DisableTorchDispatch():
        return tuple(getattr(tensor, name)() for name in _SPARSE[tensor.layout])


def _shared(info: OperatorInfo, place: int, args: tuple[Any, ...]) -> torch.Tensor | None:
    """The argument whose storage a result has, by the operator's schema."""
    if info.packet in _VIEWS_UNSAID:
        first: torch.Tensor = args[0]
        return first
    returns = info.func._schema.returns
    alias = returns[min(place, len(returns) - 1)].alias_info if returns else None
    if alias is None:
        return None
    for argument, value in zip(info.func._schema.arguments, args, strict=False):
        if argument.alias_info is not None and (
            not alias.before_set or argument.alias_info.before_set & alias.before_set  # of a list, the set is empty
        ):
            return next(iter(flat(value)), None)
    return None


def _nbytes(tensor: torch.Tensor) -> int:
    """The bytes of the storage that a new tensor has, or of the whole one that a real tensor is a part of."""
    if type(tensor) not in _STAND_INS and tensor.layout is torch.strided:
        return int(tensor.untyped_storage().nbytes())
    metadata = metadata_of(tensor)
    if metadata.numel == 0:
        return 0
    last = sum((size - 1) * step for size, step in zip(metadata.shape, metadata.stride, strict=True))
    return (last + 1) * metadata.dtype.itemsize
