"""Putting back containers, attributes, names and caches after a run.

What belongs to the model or its arguments is put back whole. What is only named by a function (`lightly`) may be the
user's own record of the run: there, only what a stand-in took the place of is put back.
"""

from __future__ import annotations

import gc
import types
from collections import OrderedDict, deque
from collections.abc import Callable
from operator import is_
from typing import Any

import torch
from torch import nn

from flopsight.tracing.fake import Fake
from flopsight.tracing.values.deferred import Deferred

MISSING = object()
"""What a name that is not set holds."""
_LEADS_AWAY = (type, types.ModuleType, types.FunctionType, nn.Module)


def holds_fake(value: Any) -> bool:
    """Whether a value is a stand-in, or has one in it a few steps away."""
    return _holds(value, lambda item: type(item) in (Fake, Deferred))


def _holds(value: Any, what: Callable[[Any], bool]) -> bool:
    level = [value]
    for _ in range(5):
        if any(map(what, level)):
            return True
        level = [item for item in gc.get_referents(*level) if not isinstance(item, _LEADS_AWAY)]
    return False


def container(value: Any, before: Any, *, lightly: bool = False) -> None:
    """Make a container hold what it held before, past any methods of its own class."""
    if same(value, before):
        return
    if isinstance(value, dict):
        _dictionary(value, before, lightly=lightly)
    elif lightly:
        if isinstance(value, list) and len(value) == len(before):
            for at, (item, old) in enumerate(zip(value, before, strict=True)):
                if item is not old and holds_fake(item):
                    list.__setitem__(value, at, old)
    elif isinstance(value, list):
        list.__setitem__(value, slice(None), before)
    elif isinstance(value, set):
        set.clear(value)
        set.update(value, before)
    else:
        deque.clear(value)
        deque.extend(value, before)


def _dictionary(value: dict[Any, Any], before: dict[Any, Any], *, lightly: bool) -> None:
    """Entry by entry, for other threads may read it; all of it only where the order has changed."""
    kind: Any = OrderedDict if isinstance(value, OrderedDict) else dict
    for key, item in list(kind.items(value)):
        old = before.get(key, MISSING)
        if item is old or (lightly and not holds_fake(item)):
            continue
        if old is MISSING:
            kind.pop(value, key)
        else:
            kind.__setitem__(value, key, old)
    if lightly:
        return
    for key in before.keys() - kind.keys(value):
        kind.__setitem__(value, key, before[key])
    if not all(map(is_, kind.values(value), before.values())):
        kind.clear(value)
        for key, item in before.items():
            kind.__setitem__(value, key, item)


def same(value: Any, before: Any) -> bool:
    """Whether a container holds the very same objects, in the same order."""
    if len(value) != len(before):
        return False
    if isinstance(value, set):
        return {id(item) for item in value} == {id(item) for item in before}
    if not isinstance(value, dict):
        return all(map(is_, value, before))
    kind: Any = OrderedDict if isinstance(value, OrderedDict) else dict
    return all(map(is_, kind.values(value), before.values())) and before.keys() == kind.keys(value)


def slot(value: Any, descriptor: Any) -> Any:
    """What a slot holds."""
    try:
        return descriptor.__get__(value)
    except AttributeError:
        return MISSING


def set_slot(value: Any, descriptor: Any, before: Any, *, lightly: bool = False) -> None:
    """Make a slot hold what it held before."""
    now = slot(value, descriptor)
    if now is before or (lightly and not holds_fake(now)):
        return
    if before is MISSING:
        descriptor.__delete__(value)
    else:
        descriptor.__set__(value, before)


def attributes_of(cls: type) -> dict[str, Any]:
    """The attributes of a class that are not Python's own."""
    return {name: item for name, item in vars(cls).items() if name[:2] != "__"}


def set_class(cls: type, before: dict[str, Any], *, lightly: bool = False) -> None:
    """Give a class the attributes that it had."""
    now = attributes_of(cls)
    for name in now.keys() | before.keys():
        item, old = now.get(name, MISSING), before.get(name, MISSING)
        if item is old or (lightly and not holds_fake(item)):
            continue
        if old is MISSING:
            type.__delattr__(cls, name)
        else:
            type.__setattr__(cls, name, old)


def set_name(variables: dict[str, Any], name: str, before: Any) -> None:
    """Give a global name that a stand-in was bound to what it stood for."""
    now = variables.get(name)
    if now is not before and holds_fake(now):
        variables[name] = before


def cell_contents(cell: Any) -> Any:
    """What a variable that a function closes over holds."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def set_cell(cell: Any, before: Any) -> None:
    """Give a variable that a stand-in was bound to what it stood for."""
    now = cell_contents(cell)
    if now is before or not holds_fake(now):
        return
    if before is MISSING:
        del cell.cell_contents
    else:
        cell.cell_contents = before


def empty_cache(cache: Any, misses: int) -> None:
    """Empty a function's cache of results (`functools.lru_cache`) if the run put a tensor there.

    A real one too: the next run would not compute it, and count less.
    """
    if cache.cache_info().misses != misses and _holds(cache, lambda item: isinstance(item, torch.Tensor)):
        cache.cache_clear()
