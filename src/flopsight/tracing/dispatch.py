"""The dispatch mode that sees every operator: gives a fake result (or runs it), and books the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode

from flopsight.formulas.registry import REGISTRY
from flopsight.tracing import autocast, composites, constants, control_flow, higher_order, nested
from flopsight.tracing.compiled import as_original
from flopsight.tracing.decompositions import decomposed
from flopsight.tracing.deferred import Deferred, valued
from flopsight.tracing.distributed import distributed_tensor, is_sharding_rule
from flopsight.tracing.fake import Fake, fakes_of, make, metadata_in, metadata_of
from flopsight.tracing.grad_mode import NeedsAutograd, below_autograd, decides, refuse_unknown
from flopsight.tracing.keys import CONSTANT, DEFERRED, FAKE, VALUELESS, Keys
from flopsight.tracing.ledger import Ledger
from flopsight.tracing.memo import MEMO, Call, Composite, hashable, numel_of
from flopsight.tracing.operators import OperatorInfo, formula_of, info_of, operation
from flopsight.tracing.resizing import resize
from flopsight.tracing.results import infer
from flopsight.tracing.scopes import Scopes
from flopsight.tracing.targets import has_formula
from flopsight.tracing.targets import run as run_target
from flopsight.tracing.tensors import UserTensors, flat
from flopsight.tracing.threads import followed
from flopsight.tracing.values import BY_VALUES

_BY_SWITCH = {"aten::scaled_dot_product_attention"}
"""Composite operators that global switches of PyTorch have a say in."""
_DEVICE = torch.ops.prim.device.default
"""What autograd asks of PyTorch's own fake tensors; no operator of the dispatcher's."""


class Dispatcher(TorchDispatchMode):
    """Books every operator in `calls`: the record, the scope's index, the phase's index.

    execute: run operators for real, rather than on fake tensors. protect: leave the user's tensors as they are.
    below_autograd: without autograd: PyTorch then hands over its composite operators whole, and each is remembered.
    """

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first dispatch imports torch._dynamo, which takes a second

    def __init__(
        self,
        scopes: Scopes,
        *,
        execute: bool,
        protect: bool,
        below_autograd: bool = False,
        tensors: UserTensors | None = None,
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
        self._memo = MEMO.current()
        self._distributed = distributed_tensor()
        self._add_to_key = Keys(scopes.modules, self.tensors, ledger).add

    @contextmanager
    def active(self) -> Iterator[None]:
        """The mode, and below autograd if so made."""
        nested.prepare()
        with ExitStack() as stack:
            if self.below_autograd:
                stack.enter_context(self.without_autograd())
            else:
                stack.enter_context(composites.as_without_a_mode())
            stack.enter_context(as_original())
            stack.enter_context(higher_order.uncompiled_attention())
            stack.enter_context(control_flow.uncompiled())
            stack.enter_context(followed(self))
            stack.enter_context(self)
            yield

    @contextmanager
    def without_autograd(self) -> Iterator[None]:
        """Puts the thread below autograd, in the grad mode that it is in."""
        self._ungraded = not torch.is_grad_enabled()
        with below_autograd(self.scopes):
            yield

    def beside(self, scopes: Scopes) -> Follower:
        """A dispatcher for work of the same run in another thread."""
        beside = Follower(
            scopes,
            execute=self.execute,
            protect=self.tensors.protect,
            below_autograd=self.below_autograd,
            tensors=self.tensors,
        )
        beside.ledger.notes = self.ledger.notes
        return beside

    # --- dispatch ----------------------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if isinstance(func, HigherOrderOperator):
            return higher_order.dispatch(self, func, args, kwargs or {})
        if self._ungraded and torch.is_grad_enabled():
            raise NeedsAutograd
        if nested.NestedTensor in types:
            if self.below_autograd:
                raise NeedsAutograd
            with self:  # it calls the operators of what it holds
                return nested.NestedTensor.__torch_dispatch__(func, types, args, kwargs)
        if self._distributed is not None:
            if self._distributed in types:
                if self.below_autograd:
                    raise NeedsAutograd
                return NotImplemented  # it calls the operators of this process, which come here in turn
            if is_sharding_rule():
                return func(*args, **(kwargs or {}))
        self.ledger.owner = None
        key: list[Any] = [func]
        bits = self._add_to_key(args, key)
        if kwargs:
            key.append(tuple(kwargs))
            bits |= self._add_to_key(kwargs.values(), key)
        if bits & FAKE and not self.execute:
            call = self._memo.get(tuple(key))
            if call is not None:
                if type(call) is Composite:
                    if not bits & CONSTANT and not (call.casts and autocast.is_on()):
                        self.ledger.book_all(call.records)
                        return make(call.result) if call.argument is None else args[call.argument]
                elif call.single is not None:
                    self.ledger.book(call.operation)
                    return make(call.single)
                elif call.several:
                    self.ledger.book(call.operation)
                    return fakes_of(call.results)
                elif call.target is not None and type(args[call.target]) is Fake:
                    self.ledger.book(call.operation)
                    return args[call.target]
        elif not bits & (VALUELESS | DEFERRED) and not self.execute:
            call = self._memo.get(tuple(key))
            if type(call) is Call and call.foldable and not bits & FAKE:
                self.ledger.book(call.operation)
                return constants.fold(self.tensors, info_of(func), args, kwargs or {})
        if func is _DEVICE:
            return args[0].device
        return self._dispatch(info_of(func), tuple(key), bits, args, kwargs or {})

    def _dispatch(
        self, info: OperatorInfo, key: tuple[Any, ...], bits: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if bits & DEFERRED and constants.asks(info, args, kwargs):
            args, kwargs = valued(args), {name: valued(value) for name, value in kwargs.items()}
            bits &= ~DEFERRED
        if info.composite and ((formula := formula_of(info)) is None or formula.source == "flopsight"):
            return self._composite(info, key, bits, args, kwargs)
        if self.execute:
            return self.run(info, args, kwargs)
        if not bits & FAKE:
            return constants.on_constants(self, info, key, bits, args, kwargs)
        if (rule := BY_VALUES.get(info.packet)) is not None and (found := rule(*args, **kwargs)) is not None:
            return self.book_made(info, args, kwargs, found)
        call = self.call(info, key, args, kwargs)
        self.ledger.book(call.operation)
        return self.pretend(info, call, args, kwargs)

    def _composite(
        self, info: OperatorInfo, key: tuple[Any, ...], bits: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """An operator that PyTorch writes with others: those are booked, and remembered where values cannot matter."""
        decisive, outer = decides(info.packet, args, kwargs), self._decided
        self._decided = decisive is not None
        refuse_unknown(decisive)
        casting = self._casts.inside(info.func.name()) if autocast.is_on() else nullcontext()
        with self.ledger.together() as records, self, casting:
            out = composites.take_apart(info.func, args, kwargs)
        only_fake = bits & FAKE and not bits & CONSTANT and not self.execute and not self._decided
        self._decided |= outer
        if type(out) is Fake and only_fake and not info.writes and info.packet not in _BY_SWITCH:
            casts = autocast.casts_inside(info.func.name())
            if not (casts and autocast.is_on()):
                argument = next((at for at, value in enumerate(args) if value is out), None)
                self._memo[key] = Composite(records, metadata_of(out), argument, casts=casts)
        return out

    def call(
        self,
        info: OperatorInfo,
        key: tuple[Any, ...],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        results: Any = None,
    ) -> Call:
        """The remembered call, or a new one: with these results, or those that the operator's rules tell."""
        call = self._memo.get(key)
        if call is None:
            metas, named = tuple(map(metadata_in, args)), {name: metadata_in(value) for name, value in kwargs.items()}
            results = infer(info, metas, named) if results is None else results
            call = self._remember(info, key, metas, named, results)
        return call

    def _remember(
        self, info: OperatorInfo, key: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any], results: Any
    ) -> Call:
        record = operation(info, args, kwargs, results, lambda: decomposed(Dispatcher, info, args, kwargs))
        touched = numel_of(args) + numel_of(tuple(kwargs.values())) + numel_of(results)
        call = Call(info, record, results, touched=touched)
        self._memo[key] = call
        return call

    def run(self, info: OperatorInfo, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the operator for real, and book it by its arguments and its results."""
        self.tensors.before_write(info, args, kwargs)
        return self.book_made(info, args, kwargs, info.func(*args, **kwargs))

    def book_made(self, info: OperatorInfo, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
        """Book a call whose results are there already."""
        metas, named = tuple(map(metadata_in, args)), {name: metadata_in(value) for name, value in kwargs.items()}
        key = ("made", info.func, hashable(metas), hashable(tuple(named.values())), hashable(metadata_in(out)))
        call = self._memo.get(key) or self._remember(info, key, metas, named, metadata_in(out))
        self.ledger.book(call.operation)
        return out

    def pretend(self, info: OperatorInfo, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The operator's results as fake tensors; of an operator that writes, the tensors it wrote to."""
        if not info.writes:
            return fakes_of(call.results)
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


class Follower(Dispatcher):
    """The dispatcher of another thread of a run. ended: the run has, so that what the thread still does is its own."""

    ended = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.ended:
            return func(*args, **(kwargs or {}))
        return super().__torch_dispatch__(func, types, args, kwargs)
