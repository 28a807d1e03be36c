"""What a run keeps of the operators it meets: the ledger they are booked in, their remembered calls, and their results.

The rules for constants, control flow, higher-order operators and other threads are written against this; the dispatch
mode that sees every operator is above them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._ops import OpOverload
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from flopsight.calls import Operation
from flopsight.cost import Cost
from flopsight.formulas.registry import REGISTRY
from flopsight.tracing.constructs import autocast
from flopsight.tracing.constructs.distributed import distributed_tensor
from flopsight.tracing.constructs.grad_mode import below_autograd
from flopsight.tracing.fake import Fake, fakes_of, has_values, metadata_in
from flopsight.tracing.keys import Keys
from flopsight.tracing.ledger import Ledger
from flopsight.tracing.memo import MEMO, Call, hashable
from flopsight.tracing.operators.decompositions import decomposed
from flopsight.tracing.operators.operation import OperatorInfo, info_of, operation
from flopsight.tracing.operators.resizing import resize
from flopsight.tracing.operators.results import infer
from flopsight.tracing.operators.targets import has_formula
from flopsight.tracing.operators.targets import run as run_target
from flopsight.tracing.scopes import Scopes
from flopsight.tracing.untouched.tensors import UserTensors, flat
from flopsight.tracing.values.deferred import Deferred
from flopsight.tracing.values.selections import Selections

TAKEN_AS_FINITE = {"aten::_amp_foreach_non_finite_check_and_unscale_"}
"""What a gradient scaler finds out with whether gradients are finite; that they are not is the exception."""


class Booking(TorchDispatchMode):
    """Books operators in `ledger`: the record, the scope's index, the phase's index.

    execute: run operators for real, rather than on fake tensors. protect: leave the user's tensors as they are.
    below_autograd: without autograd: PyTorch then hands over its composite operators whole, and each is remembered.
    proposals: how many elements are taken where values decide that; such a run remembers calls for itself alone.
    ended: the run has, so that what this thread still does is its own.
    """

    ended = False

    def __init__(
        self,
        scopes: Scopes,
        *,
        execute: bool,
        protect: bool,
        below_autograd: bool = False,
        tensors: UserTensors | None = None,
        proposals: int | None = None,
    ) -> None:
        super().__init__()
        self.scopes = scopes
        self.execute = execute
        self.below_autograd = below_autograd
        self._ungraded = False
        self._decided = False
        self._casts = autocast.Casts()
        self.ledger = ledger = Ledger(scopes)
        scopes.book, scopes.book_here = ledger.book, ledger.book_here
        if REGISTRY.targets:
            REGISTRY.around = run_target
            scopes.has_formula, scopes.book_module = has_formula, ledger.book_module
        self.tensors = UserTensors(protect=protect) if tensors is None else tensors
        self.proposals = proposals
        self.selections = None if proposals is None else Selections(proposals, ledger.notes)
        self._memo = MEMO.current() if proposals is None else {}
        self._distributed = distributed_tensor()
        self._sharded = False
        self._finite = WeakIdKeyDictionary()
        self._add_to_key = Keys(scopes.modules, self.tensors, ledger).add

    @contextmanager
    def without_autograd(self) -> Iterator[None]:
        """Puts the thread below autograd, in the grad mode that it is in."""
        self._ungraded = not torch.is_grad_enabled()
        with below_autograd(self.scopes):
            yield

    def step_begins(self, optimizer: Optimizer) -> None:
        """An optimizer begins a step."""

    def step_ends(self, optimizer: Optimizer) -> None:
        """An optimizer has made a step."""

    def beside(self, scopes: Scopes) -> Booking:
        """A dispatcher for work of the same run in another thread."""
        beside = type(self)(
            scopes,
            execute=self.execute,
            protect=self.tensors.protect,
            below_autograd=self.below_autograd,
            tensors=self.tensors,
            proposals=self.proposals,
        )
        beside.ledger.notes, beside.selections = self.ledger.notes, self.selections
        return beside

    def call(
        self,
        info: OperatorInfo,
        key: tuple[Any, ...],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        results: Any = None,
    ) -> Call:
        """The remembered call, or a new one: with these results, or those that the operator's rules tell."""
        call: Call | None = self._memo.get(key)
        if call is None:
            named = {name: metadata_in(value) for name, value in kwargs.items()} if kwargs else kwargs
            call = self._new(info, key, tuple(map(metadata_in, args)), named, results)
        return call

    def call_of(
        self,
        info: OperatorInfo,
        key: tuple[Any, ...],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        results: Any = None,
    ) -> Call:
        """The same, on arguments with `Metadata` for tensors."""
        call: Call | None = self._memo.get(key)
        return self._new(info, key, args, kwargs, results) if call is None else call

    def _new(
        self,
        info: OperatorInfo,
        key: tuple[Any, ...],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        results: Any = None,
    ) -> Call:
        results = infer(info, args, kwargs) if results is None else results
        record = operation(info, args, kwargs, results, self._decomposed)
        call = self._memo[key] = Call(info, record, results)
        return call

    def _decomposed(self, info: OperatorInfo, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Cost | None:
        return decomposed(info, args, kwargs, self._apart)

    def _apart(self, call: Callable[[], Any]) -> list[Operation]:
        """The records of what a call on stand-ins runs, which are not booked."""
        scopes = Scopes(restore=False)
        scopes.root("decomposition", None)
        inner = type(self)(scopes, execute=False, protect=True, proposals=self.proposals)
        with torch.no_grad(), inner:
            call()
        return [record for record, _, _ in inner.ledger.calls]

    def run(self, info: OperatorInfo, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the operator for real, and book it by its arguments and its results."""
        self.tensors.before_write(info, args, kwargs)
        if info.packet == "aten::_local_scalar_dense" and args[0] in self._finite:
            return self.book_made(info, args, kwargs, 0.0)
        if info.packet in TAKEN_AS_FINITE and not has_values(found := info.bound(args, kwargs)["found_inf"]):
            self._take_as_finite(found)
        return self.book_made(info, args, kwargs, info.func(*args, **kwargs))

    def _take_as_finite(self, found_inf: Any) -> None:
        self.ledger.assume("Gradients are taken to be finite, so that the optimizer steps.")
        self._finite[found_inf] = None

    def book_made(self, info: OperatorInfo, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
        """Book a call whose results are there already."""
        metas, named = tuple(map(metadata_in, args)), {name: metadata_in(value) for name, value in kwargs.items()}
        key = ("made", info, hashable(metas), hashable(tuple(named.values())), hashable(metadata_in(out)))
        call = self._memo.get(key) or self._new(info, key, metas, named, metadata_in(out))
        self.ledger.book(call.operation)
        return out

    def book_whole(
        self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], run: Callable[[], Any]
    ) -> Any:
        """Book a composite operator as one call; what it is made of is run, and not booked."""
        with self.scopes.quiet():
            out = run()
        self.ledger.owner = None
        self._add_to_key((*args, *kwargs.values()), [])  # finds the owner of what it uses
        return self.book_made(info_of(func), args, kwargs, out)

    def pretend(self, info: OperatorInfo, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The operator's results as fake tensors; of an operator that writes, the tensors it wrote to."""
        if not info.writes:
            return fakes_of(call.results)
        if info.target is not None and type(target := args[info.target]) is Fake and target.metadata is call.results:
            return target
        targets = {name: args[at] if at < len(args) else kwargs.get(name) for at, name in info.writes}
        if info.in_place_view:
            self.tensors.before_change(flat(tuple(targets.values())))
            with torch._C._DisableTorchDispatch():
                info.func(*args, **kwargs)
        results = call.results if isinstance(call.results, list) else [call.results]
        owned = self.tensors.may_write(info, args, kwargs)
        for alias, result in zip(info.returned, results, strict=False):
            if alias is not None and not info.in_place_view:
                resize(targets[alias[1]], result, info.name, owned=owned)
        if info.packet in TAKEN_AS_FINITE:
            self._take_as_finite(targets.pop("found_inf"))
        for target in flat(tuple(targets.values())):
            if type(target) is Fake:
                target.metadata = None if info.in_place_view else target.metadata
            elif type(target) is Deferred or not info.in_place_view:
                self.tensors.note_overwritten(target)
        outs = [
            targets[alias[1]] if alias is not None else fakes_of(result)
            for alias, result in zip(info.returned, results, strict=False)
        ]
        return outs[0] if len(info.returned) == 1 else tuple(outs) if outs else None
