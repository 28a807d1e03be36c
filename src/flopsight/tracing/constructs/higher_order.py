"""Operators that take functions: attention with a user's score function, control flow, wrapped subgraphs."""

from __future__ import annotations

import inspect
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, get_args

import torch
from torch._ops import HigherOrderOperator

from flopsight.calls import Operation
from flopsight.cost import Cost
from flopsight.errors import InputError
from flopsight.formulas.registry import Formula, bind, load_formulas
from flopsight.tracing.booking import Booking
from flopsight.tracing.fake import has_values, make, metadata_of
from flopsight.tracing.operators.operation import flat_results
from flopsight.tracing.untouched.replacement import Replacement
from flopsight.tracing.values.deferred import valued

FOLLOWED = {
    "associative_scan", "cond", "hints_wrapper", "invoke_subgraph", "map_impl", "out_dtype", "print", "scan",
    "strict_mode", "while_loop", "while_loop_stack_output", "with_effects",
}  # fmt: skip
"""Operators known to do their work through the dispatcher, each held to a run by the tests."""

_NO_COMPILE = "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG"


def uncompiled_attention() -> AbstractContextManager[None]:
    """`flex_attention` does not compile itself meanwhile, which would trace into the dispatch mode."""
    module = sys.modules.get("torch.nn.attention.flex_attention")
    return nullcontext() if module is None else _uncompiled(module)


@cache
def _uncompiled(module: Any) -> Replacement:
    return Replacement(module, _NO_COMPILE, True)


def dispatch(dispatcher: Booking, func: HigherOrderOperator, args: Any, kwargs: Any) -> Any:
    """Book the operator by its own formula if it has one, else by the operators inside its functions."""
    formula = load_formulas().find(f"higher_order::{func.name()}")
    if formula is not None:
        signature = inspect.signature(func.__call__)
        returned = len(get_args(signature.return_annotation))  # 2.6 has no largest scores among them
        named = signature.bind(*args, **kwargs).arguments
        return _booked(dispatcher, f"higher_order::{func.name()}", formula, named, returned)
    kernel = func.py_kernels.get(torch._C.DispatchKey.CompositeExplicitAutograd)
    if kernel is None:
        raise _cannot_follow(func)
    if func.name() in FOLLOWED:
        with dispatcher:
            return kernel(*args, **kwargs)
    return _opaque(dispatcher, func, kernel, args, kwargs)


def _opaque(dispatcher: Booking, func: HigherOrderOperator, kernel: Any, args: Any, kwargs: Any) -> Any:
    """Run an operator that may do its work past the dispatcher: where nothing of it is seen, its cost is unknown."""
    with dispatcher.ledger.apart() as seen:
        try:
            with dispatcher:
                out = kernel(*args, **kwargs)
        except AssertionError as error:  # it refuses to run under a mode
            if not dispatcher.execute:
                raise _cannot_follow(func) from error
            out = kernel(*args, **kwargs)
    dispatcher.ledger.put(seen)
    if not seen:
        name = f"higher_order::{func.name()}"
        dispatcher.ledger.book_here([Operation(name, "other", {}, {}, (), None, "none", "none")])
    return out


def _cannot_follow(func: HigherOrderOperator) -> InputError:
    return InputError(
        f"flopsight cannot follow the operator {func.name()} in a run without computing; "
        "pass execute=True, or give it a formula with flopsight.formula."
    )


def _booked(dispatcher: Booking, name: str, formula: Formula, named: dict[str, Any], returned: int) -> Any:
    tensors = {key: metadata_of(value) for key, value in named.items() if isinstance(value, torch.Tensor)}
    query, value = tensors["query"], tensors["value"]
    out = query.like((*query.shape[:-1], value.shape[-1]))
    logsumexp = query.like(query.shape[:-1], dtype=torch.float32)
    given = {key: item for key, item in named.items() if key not in tensors}
    inputs = {key: meta.spec for key, meta in tensors.items()}
    given["shown"] = _shown(tensors["query"].shape, tensors["key"].shape, named.get("block_mask"))
    results = [out, logsumexp, logsumexp][:returned]
    cost: Cost = bind(formula.rule, {**given, **inputs}, tuple(meta.spec for meta in results))
    plain = {key: item for key, item in given.items() if isinstance(item, (int, float, bool, str, type(None)))}
    record = Operation(name, formula.family, inputs, plain, flat_results(results), cost, query.spec.dtype)
    dispatcher.ledger.book(record)
    return tuple(map(make, results))


def _shown(query: tuple[int, ...], key: tuple[int, ...], block_mask: tuple[Any, ...] | None) -> int | None:
    """Scores in the blocks that a block mask keeps, all batches and heads together; None where that is not known.

    Blocks are counted whole, also those that the mask function keeps a part of.
    """
    if block_mask is None:
        return None
    partial, full = block_mask[2], block_mask[4]
    counts = [valued(count) for count in (partial, full) if count is not None]
    if not all(map(has_values, counts)):
        return None
    with torch._C._DisableTorchDispatch():
        kept = sum(int(count.sum()) for count in counts)
    rows, columns = block_mask[-3], block_mask[-2]
    heads = query[0] * query[1]
    of_mask: int = partial.shape[0] * partial.shape[1]
    shown: int = kept * heads // of_mask * rows * columns
    return min(shown, heads * query[2] * key[2])
