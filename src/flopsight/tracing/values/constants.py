"""Operators on constants alone: computed at once where they are small, when a value is asked for where they are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from flopsight.errors import NeedsValuesError
from flopsight.tracing.booking import Booking
from flopsight.tracing.constructs.grad_mode import follow
from flopsight.tracing.fake import has_values, metadata_in
from flopsight.tracing.keys import DEFERRED, VALUELESS
from flopsight.tracing.memo import Call
from flopsight.tracing.operators.operation import OperatorInfo
from flopsight.tracing.place import needs_values
from flopsight.tracing.untouched.tensors import UserTensors, flat
from flopsight.tracing.values.by_values import ASKING, BY_VALUES
from flopsight.tracing.values.deferred import Deferred, Memory, Step, defer, valued
from flopsight.tracing.values.selections import SELECTIONS

_OTHER_MEMORY = {"aten::resize_", "aten::resize_as_", "aten::set_"}
"""Operators that give a tensor another memory, in place."""


def asks(info: OperatorInfo, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call has to know the values of the constants among its arguments."""
    return info.name in ASKING or info.depends_on_values(args, kwargs)


def on_constants(
    dispatcher: Booking,
    info: OperatorInfo,
    key: tuple[Any, ...],
    bits: int,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """The results of an operator on nothing fake, and its booking; the user's own tensors are left as they are."""
    if not bits & DEFERRED:
        tensors = flat((args, tuple(kwargs.values())))
        if info.depends_on_values(args, kwargs) or any(t.layout is not torch.strided for t in tensors):
            return _by_values(dispatcher, info, tensors, args, kwargs)
        if info.view:
            return _view(dispatcher, info, key, args, kwargs)
    call = dispatcher.call(info, key, args, kwargs)
    dispatcher.ledger.book(call.operation)
    changes = bool(info.writes) or info.random
    if bits & VALUELESS:
        return dispatcher.pretend(info, call, args, kwargs)
    if info.writes and not info.random:
        later = _write_later(dispatcher.tensors, info, call, args, kwargs)
        if later is not None:
            return later[0]
    if not dispatcher.tensors.may_write(info, args, kwargs) or (changes and not call.small):
        return dispatcher.pretend(info, call, args, kwargs)
    if changes and bits & DEFERRED:
        try:
            args, kwargs = valued(args), {name: valued(value) for name, value in kwargs.items()}
        except NeedsValuesError:
            return dispatcher.pretend(info, call, args, kwargs)
    elif bits & DEFERRED or not call.small:
        step = _step(dispatcher.tensors, info, call, args, kwargs)
        base = next((arg for arg in flat(args) if type(arg) is Deferred), None) if info.view else None
        return defer(step, call.results, base.memory if base is not None else None)
    return fold(dispatcher.tensors, info, args, kwargs)


def _by_values(
    dispatcher: Booking,
    info: OperatorInfo,
    tensors: list[torch.Tensor],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    if all(map(has_values, tensors)):
        with torch._C._DisableTorchDispatch():
            return dispatcher.run(info, args, kwargs)
    rule = BY_VALUES.get(info.packet)
    found = rule(*args, **kwargs) if rule is not None else None
    if found is None and dispatcher.selections is not None:
        found = dispatcher.selections.made(info, args, kwargs)
    if found is None:
        raise needs_values(info.packet.partition("::")[2], selects=info.packet in SELECTIONS)
    return dispatcher.book_made(info, args, kwargs, found)


def _view(
    dispatcher: Booking, info: OperatorInfo, key: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    with torch._C._DisableTorchDispatch():
        out = info.func(*args, **kwargs)
    dispatcher.ledger.book(dispatcher.call(info, key, args, kwargs, metadata_in(out)).operation)
    if info.packet == "aten::lift_fresh":  # of a tensor that `torch.tensor` has just made
        dispatcher.tensors.note_made(out)
    return follow(out, args, view=dispatcher.below_autograd)


def fold(tensors: UserTensors, info: OperatorInfo, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The results of an operator on real tensors, computed."""
    if info.random:
        tensors.keep_random_state()
    if info.writes:
        tensors.before_change(flat((args, tuple(kwargs.values()))))
    with torch._C._DisableTorchDispatch():
        out = info.func(*args, **_off_meta(kwargs))
    tensors.note_made(out)
    return follow(out, args)


def _off_meta(kwargs: dict[str, Any]) -> dict[str, Any]:
    device = kwargs.get("device")
    if isinstance(device, torch.device) and device.type == "meta":
        return {**kwargs, "device": torch.device("cpu")}
    return kwargs


def _step(
    tensors: UserTensors,
    info: OperatorInfo,
    call: Call,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    func: Callable[..., Any] | None = None,
    written: Sequence[Deferred] = (),
) -> Step:
    """A call to be made later."""
    reads: list[Memory] = []
    graded = False

    def node(value: Any) -> Any:
        nonlocal graded
        if type(value) is Deferred:
            graded |= value.memory.graded
            reads.append(value.memory)
            return value.node
        if isinstance(value, torch.Tensor):
            graded |= value.requires_grad
            memory = tensors.memory_of(value)
            if memory is not None:
                reads.append(memory)
            return value
        return type(value)(map(node, value)) if type(value) in (list, tuple) else value

    nodes, named = tuple(map(node, args)), {name: node(value) for name, value in _off_meta(kwargs).items()}
    writes = list(dict.fromkeys(target.memory for target in written))
    return Step(func or info.func, nodes, named, reads, writes, elements=call.touched, graded=graded)


def _write_later(
    tensors: UserTensors, info: OperatorInfo, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any] | None:
    """What an operator returns that writes to deferred tensors alone, as a step of theirs; None if it cannot be one."""
    targets = {name: args[at] if at < len(args) else kwargs.get(name) for at, name in info.writes}
    written: list[Any] = flat(tuple(targets.values()))
    if not written or info.packet in _OTHER_MEMORY or any(type(target) is not Deferred for target in written):
        return None
    outs = [targets[alias[1]] if alias is not None else None for alias in info.returned]
    results = call.results if isinstance(call.results, list) else [call.results]
    if info.in_place_view:
        step = _step(tensors, info, call, args, kwargs, func=partial(_on_alias, info.func))
        with torch._C._DisableTorchDispatch():
            info.func(*args, **kwargs)
        written[0].node = step.node()
    elif any(out is None or out.shape != made.shape for out, made in zip(outs, results, strict=False)):
        return None
    else:
        _step(tensors, info, call, args, kwargs, written=written)
    return (outs[0] if len(outs) == 1 else tuple(outs) if outs else None,)


def _on_alias(func: Callable[..., Any], tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """An operator that reshapes in place, on another tensor of the same memory."""
    alias: torch.Tensor = torch.ops.aten.alias.default(tensor)
    func(alias, *args, **kwargs)
    return alias
