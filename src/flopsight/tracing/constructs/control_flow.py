"""Control flow as operators: `torch.cond`, `while_loop`, `map`, `scan` and `associative_scan`.

Called outside `torch.compile`, PyTorch compiles them. In a run they go straight to the dispatcher, which calls their
functions as a Python program would: autograd sees what is inside, and the results have the structure that the functions
return. A loop is as long as it really is, so what it holds is counted that often.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from inspect import Parameter
from typing import Any

import torch
from torch._C import DispatchKey
from torch._higher_order_ops import utils
from torch._ops import HigherOrderOperator
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode, _pop_mode_temporarily

from flopsight.calls import Operation
from flopsight.cost import ZERO
from flopsight.errors import InputError, NeedsValuesError
from flopsight.tracing.booking import Booking
from flopsight.tracing.place import active, current_place
from flopsight.tracing.untouched.replacement import Replacement

_LAYER = DispatchKey.FuncTorchDynamicLayerFrontMode
_MODES_SEE_OPERATORS = hasattr(TorchDispatchMode, "supports_higher_order_operators")
"""Whether PyTorch hands operators that take functions to a mode, as it does since 2.7."""


def _uncompiled(fn: Callable[..., Any], args: Any, kwargs: Any = None) -> Any:
    """Call an operator as it is; outside of runs, as PyTorch does."""
    return _COMPILE.original(fn, args, kwargs) if active() is None else fn(*args, **(kwargs or {}))


def _dispatch(self: HigherOrderOperator, /, dispatch_key: Any, *args: Any, **kwargs: Any) -> Any:
    """Run an operator's functions by the rule for it, above its kernel for autograd, which would trace them."""
    scopes = active()
    ours = scopes is not None and _get_current_dispatch_mode() is scopes.dispatcher is not None
    rule = None if not ours or _transformed(self, dispatch_key) else _RULES.get(self.name())
    if rule is not None:
        _check_arguments(self)
        return rule(scopes.dispatcher, *args, **kwargs)
    if ours and dispatch_key == DispatchKey.Python and not _MODES_SEE_OPERATORS:
        with _pop_mode_temporarily() as mode:
            return mode.__torch_dispatch__(self, (), args, kwargs)
    return _DISPATCH.original(self, dispatch_key, *args, **kwargs)


def _transformed(operator: HigherOrderOperator, dispatch_key: Any) -> bool:
    """Whether a transform of `torch.func` that is on has its own way with the operator, as vmap has with cond."""
    if dispatch_key != _LAYER:
        return False
    transform = torch._C._functorch.peek_interpreter_stack()
    return transform is not None and transform.key() in operator.functorch_table


@cache
def _check_arguments(operator: HigherOrderOperator) -> None:
    """Raises: InputError where this version of PyTorch hands over other arguments than the rule takes."""
    taken = inspect.signature(_RULES[operator.name()]).parameters
    for given in inspect.signature(operator.__call__).parameters.values():
        plain = given.kind is Parameter.POSITIONAL_OR_KEYWORD
        if plain and (given.name not in taken or taken[given.name].kind is Parameter.VAR_POSITIONAL):
            raise InputError(
                f"flopsight cannot follow the operator {operator.name()} of PyTorch {torch.__version__}, which takes "
                "other arguments than that of later versions."
            )


_DISPATCH = Replacement(HigherOrderOperator, "dispatch", _dispatch)
_COMPILE = Replacement(utils, "_hop_compile_and_call", _uncompiled)
UNCOMPILED = _COMPILE, _DISPATCH
"""Operators of control flow are neither compiled nor traced inside these."""


def _cond(dispatcher: Booking, pred: Any, true_fn: Any, false_fn: Any, operands: Any = ()) -> Any:
    try:
        chosen = true_fn if pred else false_fn
    except NeedsValuesError:
        return _dearer(dispatcher, true_fn, false_fn, operands)
    return chosen(*operands)


def _dearer(dispatcher: Booking, true_fn: Any, false_fn: Any, operands: Any) -> Any:
    """The result of the branch that costs more, the only one booked; unknown cost is more than any that is known."""
    ledger = dispatcher.ledger
    outs, booked = [], []
    for branch in (true_fn, false_fn):
        with ledger.apart() as records:
            outs.append(branch(*operands))
        booked.append(records)
    dearer = int(_price([call[0] for call in booked[1]]) > _price([call[0] for call in booked[0]]))
    ledger.put(booked[dearer])
    name = ("first", "second")[dearer]
    ledger.assume(
        f"{current_place()}: which branch of torch.cond runs depends on values; both were traced, and the {name}, "
        "which costs no less than the other, is counted."
    )
    return outs[dearer]


def _price(records: list[Operation]) -> tuple[int, int, int]:
    cost = sum((record.cost for record in records if record.cost is not None), ZERO)
    return sum(record.cost is None for record in records), cost.exact, cost.macs


def _while_loop(
    dispatcher: Booking, cond_fn: Any, body_fn: Any, carried_inputs: Any, additional_inputs: Any = (), **_: Any
) -> Any:
    return _loop(cond_fn, body_fn, carried_inputs, additional_inputs)[0]


def _while_loop_stack_output(
    dispatcher: Booking, cond_fn: Any, body_fn: Any, carried_inputs: Any, additional_inputs: Any = (), **_: Any
) -> Any:
    out, steps = _loop(cond_fn, body_fn, carried_inputs, additional_inputs)
    if not steps:
        return pytree.tree_map(lambda value: _copied(value).unsqueeze(0), out)
    return tuple(torch.stack(values) for values in zip(*steps, strict=True))


def _loop(cond_fn: Any, body_fn: Any, carried_inputs: Any, additional: Any) -> tuple[Any, list[list[Any]]]:
    """The last result, and the leaves of that of each step."""
    out: Any = tuple(map(_copied, carried_inputs))
    carried = list(carried_inputs)
    steps: list[list[Any]] = []
    while _goes_on(cond_fn(*carried, *additional)):
        out = body_fn(*carried, *additional)
        carried = pytree.tree_leaves(out)
        steps.append(carried)
    return out, steps


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) else value


def _goes_on(condition: Any) -> bool:
    try:
        return bool(condition)
    except NeedsValuesError:
        raise NeedsValuesError(
            f"{current_place()}: how often a while_loop runs depends on values that a run without computing does not "
            "have; pass execute=True to run the model with real tensors and count what runs."
        ) from None


def _map(dispatcher: Booking, f: Any, xs: Any, pos_args: Any = (), **_: Any) -> Any:
    return _stacked([f(*(x[at] for x in xs), *pos_args) for at in range(xs[0].shape[0])])


def _stacked(outs: list[Any]) -> Any:
    spec = pytree.tree_structure(outs[0])
    columns = zip(*map(pytree.tree_leaves, outs), strict=True)
    return pytree.tree_unflatten([None if each[0] is None else torch.stack(each) for each in columns], spec)


def _scan(dispatcher: Booking, combine_fn: Any, init: Any, xs: Any, additional_inputs: Any = (), **_: Any) -> Any:
    carry, steps = list(init), []
    for at in range(xs[0].shape[0]):
        out = combine_fn(*carry, *(x[at] for x in xs), *additional_inputs)
        leaves = pytree.tree_leaves(out)
        carry = leaves[: len(init)]
        steps.append(leaves[len(init) :])
    return pytree.tree_unflatten([*carry, *_stacked(steps)], pytree.tree_structure(out))


def _associative_scan(dispatcher: Booking, combine_fn: Any, xs: Any, additional_inputs: Any = ()) -> Any:
    from torch._higher_order_ops.associative_scan import generic_associative_scan

    specs: list[Any] = []

    def combine(*leaves: Any) -> Any:
        out = combine_fn(*leaves)
        specs.append(pytree.tree_structure(out))
        return out

    scan: Callable[..., Any] = generic_associative_scan
    leaves = scan(combine, xs, additional_inputs=additional_inputs)
    return pytree.tree_unflatten(leaves, specs[0]) if specs else leaves


def _called(dispatcher: Booking, callable: Any, operands: Any) -> Any:
    return callable(*operands)


def _subgraph(dispatcher: Booking, subgraph: Any, identifier: Any, *operands: Any) -> Any:
    return subgraph(list(operands)) if getattr(subgraph, "_boxed_call", False) else subgraph(*operands)


_RULES: dict[str, Callable[..., Any]] = {
    "associative_scan": _associative_scan,
    "cond": _cond,
    "invoke_subgraph": _subgraph,
    "map_impl": _map,
    "scan": _scan,
    "strict_mode": _called,
    "while_loop": _while_loop,
    "while_loop_stack_output": _while_loop_stack_output,
}
