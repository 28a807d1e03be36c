"""The dispatch mode that sees every operator: gives a fake result (or runs it), and books the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from types import NoneType
from typing import Any

import torch
from torch._library import simple_registry
from torch._ops import OpOverload

from flopsight.tracing.booking import Booking
from flopsight.tracing.constructs import autocast, control_flow, higher_order, nested
from flopsight.tracing.constructs.compiled import AS_ORIGINAL
from flopsight.tracing.constructs.distributed import is_sharding_rule
from flopsight.tracing.constructs.grad_mode import AsksAutograd, NeedsAutograd, decides, refuse_unknown
from flopsight.tracing.constructs.threads import followed
from flopsight.tracing.fake import Fake, fakes_of, make, metadata_of
from flopsight.tracing.keys import CONSTANT, DEFERRED, FAKE, VALUELESS
from flopsight.tracing.leaves import Leaves
from flopsight.tracing.memo import Call, Composite
from flopsight.tracing.operators import composites
from flopsight.tracing.operators.operation import INFOS, OperatorInfo, info_of, is_factory, is_taken_apart
from flopsight.tracing.parts import Parts, parts_of
from flopsight.tracing.parts.indexing import assigned
from flopsight.tracing.untouched.replacement import Detour
from flopsight.tracing.values import constants
from flopsight.tracing.values.by_values import ASKING, BY_VALUES
from flopsight.tracing.values.deferred import valued
from flopsight.tracing.values.detection import ordinary_boxes

_BY_SWITCH = {"aten::scaled_dot_product_attention"}
"""Composite operators that global switches of PyTorch have a say in."""
_MAY_ASK = {"aten::index", *(name.partition(".")[0] for name in ASKING)}
"""Operators that, not marked as such, may look at values."""
_BY_SHAPE = {
    f"aten::{name}"
    for name in ("contiguous", "expand_as", "flatten", "reshape", "to", "type_as", "unflatten", "view_as")
}
"""Composite operators that have no use for the values of a tensor of integers."""
_FRESH = torch.ops.aten.lift_fresh.default
_DEVICE = torch.ops.prim.device.default
"""What autograd asks of PyTorch's own fake tensors; no operator of the dispatcher's."""


class Dispatcher(Booking):
    """Sees every operator of its thread: gives a fake result or runs it, and has the call booked."""

    supports_higher_order_operators = True
    _known: Parts | None = None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first dispatch imports torch._dynamo, which takes a second

    @contextmanager
    def active(self) -> Iterator[None]:
        """The mode, and below autograd if so made."""
        nested.prepare()
        with ExitStack() as stack, higher_order.uncompiled_attention(), followed(self):
            if self.below_autograd:
                stack.enter_context(self.without_autograd())
                self._known = known = parts_of(self)
                self.scopes.leaves = Leaves(self.scopes.modules, self.ledger, self._memo, known)
                self.scopes.assigns = None if known is None else self._assigns
            else:
                stack.enter_context(composites.as_without_a_mode())
            for aside in (_RULES, *AS_ORIGINAL, *control_flow.UNCOMPILED):
                stack.enter_context(aside)
            if self.selections is not None:
                stack.enter_context(ordinary_boxes())
            try:
                with self:
                    yield
            finally:
                self._known = None  # which knows this one: a cycle would stay until the next collection

    # --- dispatch ----------------------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.ended:
            return func(*args, **(kwargs or {}))
        if not isinstance(func, OpOverload):
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
                self._sharded = True
                return NotImplemented  # it calls the operators of this process, which come here in turn
            if self._sharded and is_sharding_rule():
                return func(*args, **(kwargs or {}))
        self.ledger.owner = None
        if func is _FRESH and type(args[0]) is torch.Tensor and not self.execute:
            return self._fresh(args[0])
        info = INFOS.get(id(func)) or info_of(func)
        key: list[Any] = [info]
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
                self.ledger.unrepeatable += not is_factory(info)
                self.ledger.book(call.operation)
                return constants.fold(self.tensors, info, args, kwargs or {})
        if func is _DEVICE:
            return args[0].device
        return self._dispatch(info, tuple(key), bits, args, kwargs or {})

    def _assigns(self, to: Fake, index: Any, value: Any) -> bool:
        """Book the assignment of a number to a part of a stand-in, if what it runs is known; whether it is."""
        if type(value) not in (int, float) or not self.scopes.leaves.is_plain():
            return False
        of, form = metadata_of(to), _form(index)
        if form is None or of.device_type != "cpu" or not of.dtype.is_floating_point:
            return False
        key = assigned, of, form
        call = self._memo.get(key)
        if call is None and self._known is not None and (call := self._known.made(assigned, of, form)) is not None:
            self._memo[key] = call
        if call is None:
            return False
        self.ledger.owner = None
        self.ledger.book_all(call.records)
        return True

    def _fresh(self, tensor: torch.Tensor) -> torch.Tensor:
        """A tensor that `torch.tensor` has just made, for a number that is assigned, say."""
        info, of = info_of(_FRESH), metadata_of(tensor)
        self.ledger.unrepeatable += 1
        self.ledger.book(self.call_of(info, (info, of), (of,), {}, of).operation)
        self.tensors.note_made(tensor)
        return tensor

    def _dispatch(
        self, info: OperatorInfo, key: tuple[Any, ...], bits: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if (info.dynamic or info.packet in _MAY_ASK) and constants.asks(info, args, kwargs):
            self.ledger.asked = True
            if bits & DEFERRED:
                args, kwargs = valued(args), {name: valued(value) for name, value in kwargs.items()}
                bits &= ~DEFERRED
        if info.composite and is_taken_apart(info):
            return self._composite(info, key, bits, args, kwargs)
        if info.writes or bits & (CONSTANT | DEFERRED) or not bits:
            self.ledger.unrepeatable += _may_differ(info, bits, args)
        if self.execute:
            return self.run(info, args, kwargs)
        if not bits & FAKE:
            return constants.on_constants(self, info, key, bits, args, kwargs)
        if (rule := BY_VALUES.get(info.packet)) is not None and (found := rule(*args, **kwargs)) is not None:
            self.tensors.note_made(found)
            return self.book_made(info, args, kwargs, found)
        if self.selections is not None and (found := self.selections.made(info, args, kwargs)) is not None:
            return self.book_made(info, args, kwargs, found)
        call = self.call(info, key, args, kwargs)
        self.ledger.book(call.operation)
        return make(call.single) if call.single is not None else self.pretend(info, call, args, kwargs)

    def _composite(
        self, info: OperatorInfo, key: tuple[Any, ...], bits: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """An operator that PyTorch writes with others: those are booked, and remembered where values cannot matter."""
        decisive, outer = decides(info.packet, args, kwargs), self._decided
        self._decided = decisive is not None
        self.ledger.unrepeatable += isinstance(decisive, AsksAutograd)
        self.ledger.asked |= bool(bits & (CONSTANT | DEFERRED)) and info.packet not in _BY_SHAPE
        refuse_unknown(decisive)
        casts = info.name not in autocast.NOTHING_TO_CAST
        if autocasts := casts and autocast.is_on():
            casts = autocast.casts_inside(info.name)
        only_fake = bits & FAKE and not bits & CONSTANT and not self.execute and not (casts and autocasts)
        repeats = only_fake and not info.writes and info.packet not in _BY_SWITCH
        if repeats and decisive is None and self._known is not None:
            known = self._known.operator(info, args, kwargs)
            if known is not None:
                known.casts, self._decided, self._memo[key] = casts, outer, known
                self.ledger.book_all(known.records)
                return make(known.result) if known.argument is None else args[known.argument]
        with self.ledger.together() as records:
            out = self._parts(info, args, kwargs, autocasts=autocasts)
        if type(out) is Fake and repeats and not self._decided:
            argument = next((at for at, value in enumerate(args) if value is out), None)
            self._memo[key] = Composite(records, metadata_of(out), argument, casts=casts)
        self._decided |= outer
        return out

    def _parts(self, info: OperatorInfo, args: tuple[Any, ...], kwargs: dict[str, Any], *, autocasts: bool) -> Any:
        """Run a composite operator, whose parts are dispatched here too."""
        casting = self._casts.inside(info.name) if autocasts else None
        torch._C._push_on_torch_dispatch_stack(self)  # what `with self` does beside was done when the run began
        try:
            with casting or nullcontext():
                return composites.take_apart(info.func, args, kwargs)
        finally:
            torch._C._pop_torch_dispatch_stack(None)


def _form(index: Any) -> tuple[Any, ...] | None:
    """An index of integers and slices as a key; None for another."""
    form: list[Any] = []
    for item in index if type(index) is tuple else (index,):
        if type(item) is slice:
            bounds = item.start, item.stop, item.step
            if not set(map(type, bounds)) <= {int, NoneType}:
                return None
            form.append(bounds)
        elif type(item) is int:
            form.append(item)
        else:
            return None
    return tuple(form)


def _may_differ(info: OperatorInfo, bits: int, args: tuple[Any, ...]) -> bool:
    """Whether an equal call might do something else, as it depends on values, or writes to what is no stand-in."""
    if not bits & (FAKE | VALUELESS):
        return not is_factory(info)
    if bits & (CONSTANT | DEFERRED):
        return True
    return bool(info.writes) and (info.target is None or type(args[info.target]) is not Fake)


def _rule(op: Any, torch_dispatch_class: Any, *, _instead: Any) -> Any:
    ours, of_others = _instead
    return None if issubclass(torch_dispatch_class, ours) else of_others(op, torch_dispatch_class)


def _rule_of_others(op: Any, torch_dispatch_class: Any) -> Any:
    return _RULES.original(op, torch_dispatch_class)


_RULES = Detour(simple_registry, "find_torch_dispatch_rule", (Booking, _rule_of_others), _rule)
"""PyTorch asks for rules before it calls a mode: there are none for ours, and its first look at an operator is long."""
