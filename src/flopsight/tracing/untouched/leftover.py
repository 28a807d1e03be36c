"""Stand-ins that are still alive after a run: someone the run could not see holds them."""

from __future__ import annotations

import functools
import gc
import sys
import types
import warnings
from collections import deque
from typing import Any

from flopsight.errors import StandInWarning
from flopsight.tracing.fake import Fake
from flopsight.tracing.untouched.others import OtherThreads
from flopsight.tracing.values.deferred import Deferred

_NAMELESS = (list, tuple, set, frozenset, deque, types.CellType, types.MethodType, functools.partial)
_NOBODY = (types.FrameType, Fake, Deferred)
"""What may refer to a stand-in without being who holds it."""


def alive() -> int:
    """A number that grows by one with each stand-in: each holds a reference to its class."""
    return sys.getrefcount(Fake) + sys.getrefcount(Deferred)


def warn_of_leftovers(before: int, others: OtherThreads) -> None:
    """Warn if there are more stand-ins than `before`, and name who holds one.

    Cycles that the run made are collected first. If other threads ran, before this or while it looks, theirs cannot be
    told from these: no warning.
    """
    if alive() <= before or others.ran():
        return
    gc.collect(0)
    if alive() <= before:
        return
    new = [item for item in gc.get_objects(1) if type(item) in (Fake, Deferred)]
    young = list(filter(_is_valueless, new))
    if new and not young:
        return  # those of this run have values; what has none was left by another
    left = young or [item for item in gc.get_objects() if _is_valueless(item)]
    ours = (left, young)
    if all(isinstance(r, _NOBODY) or any(r is own for own in ours) for r in gc.get_referrers(*left)):
        return  # an autograd graph of PyTorch's own, whose nodes Python does not see
    holder = next((holder for item in reversed(left) if (holder := _holder(item, [left, young])) is not None), None)
    if holder is not None and not others.ran():
        warnings.warn(
            f"A stand-in tensor of this profile is still held by {holder} and has no values: code that uses it "
            "later will fail. Empty that cache, or keep what you need of the tensor (its shape) in place of it.",
            StandInWarning,
            stacklevel=3,
        )


def _is_valueless(item: Any) -> bool:
    return type(item) is Fake or (type(item) is Deferred and item.memory.unknown)


def _holder(item: Any, left: list[list[Any]]) -> str | None:
    """Who holds an object, in words: the nearest that has a name; None if nothing but stand-ins and frames does."""
    ours: list[Any] = [*left, left]
    level: list[Any] = [item]
    kind = None
    for _ in range(6):
        above: list[Any] = []
        for inside in level:
            for referrer in gc.get_referrers(inside):
                if isinstance(referrer, _NOBODY):
                    continue
                if any(referrer is own for own in (*ours, ours, level, above)):
                    continue
                name = _name(referrer, inside)
                if name is not None:
                    return name
                kind = kind or type(referrer).__name__
                above.append(referrer)
        ours += [level, above]
        level = above[:100]
    return kind and f"an object of class {kind!r}"


def _name(referrer: Any, inside: Any) -> str | None:
    """A name for what refers to `inside`: a module's global, an attribute, a function."""
    if isinstance(referrer, dict):
        if "__name__" not in referrer or "__builtins__" not in referrer:
            return None
        key = next((key for key, value in referrer.items() if value is inside), None)
        return f"the global {key!r} of module {referrer['__name__']!r}"
    if isinstance(referrer, types.FunctionType):
        return f"the function {referrer.__qualname__!r}"
    if type(referrer) in _NAMELESS:
        return None
    return f"an object of class {type(referrer).__qualname__!r}" if hasattr(referrer, "__dict__") else None
