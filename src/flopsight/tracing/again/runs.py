"""Records of runs, kept beside a model that is met again: an equal run is not made, its record is that of the last.

Runs are equal if the model, the arguments' metadata and PyTorch's switches are, and the code of the model can see
nothing else (`again.world`). All of it is compared each time; a run is kept the second time that it is made.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from operator import is_
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
import torch.autograd.forward_ad as forward_ad

from flopsight.calls import ModuleNode
from flopsight.formulas.registry import REGISTRY
from flopsight.profiles import Profile
from flopsight.tracing.again.world import Open, World, is_plain
from flopsight.tracing.booking import Booking
from flopsight.tracing.fake import Fake, metadata_of, sizing
from flopsight.tracing.given.inputs import Spec, tensors_in
from flopsight.tracing.inventory import Found, Inventory, inventory_of
from flopsight.tracing.memo import MEMO
from flopsight.tracing.place import active
from flopsight.tracing.request import Request
from flopsight.tracing.scopes import GLOBAL_HOOKS, has_hooks, is_call_wrapped
from flopsight.tracing.untouched.contents import STANDARD

_KEPT, _MET = 8, 64
"""Runs of one model whose records are kept, and of which it is known that they were made."""
_SWITCHES = [
    read
    for name, read in vars(torch._C).items()
    if name.startswith("_get_") and (name.endswith("enabled") or "sdp" in name)
]


class _Run(NamedTuple):
    """A run: what it goes by, and what it cost.

    key: what it was called with. memo: the calls remembered then. values: the attributes of its modules, one after the
    other. containers: the lists and dicts among them and inside these. contents: what is in those.
    record: its data, without the modules. nodes: the fields of the modules' records.
    """

    key: Any
    memo: dict[Any, Any]
    values: tuple[Any, ...]
    containers: list[Any]
    contents: tuple[list[int], list[Any]]
    record: Profile
    nodes: list[tuple[Any, ...]]

    def is_of(self, values: Iterable[Any]) -> bool:
        """Whether its modules had these attributes, and they still hold the same."""
        lengths, items = self.contents
        if self.memo is not MEMO.current() or not all(map(is_, values, self.values)):
            return False
        now = _inside(self.containers)
        return now[0] == lengths and all(map(is_, now[1], items))

    def profile(self, name: str) -> Profile:
        """Its record, as the caller's own."""
        nodes = {fields[0]: ModuleNode(*fields) for fields in self.nodes}
        return replace(_copied(self.record), model=name, modules=nodes)


def _copied(record: Profile) -> Profile:
    return Profile(
        record.model, record.operations[:], record.scopes[:], record.calls[:], {}, about=copy.deepcopy(record.about)
    )


class _Runs:
    """The runs of one model as an inventory found it.

    closed: whether its code sees no more than is compared, as far as is known, and runs are made again at all.
    """

    def __init__(self) -> None:
        self.closed = True
        self._runs: deque[_Run] = deque(maxlen=_KEPT)
        self._since = 0  # runs kept since one was found
        self._met: deque[Any] = deque(maxlen=_MET)
        self._world: World | None = None
        self._positions: list[int] = []

    def is_met(self, key: Any) -> bool:
        """Whether such a run was made before; now it is."""
        if key in self._met:
            return True
        self._met.append(key)
        return False

    def find(self, key: Any, inventory: Inventory) -> _Run | None:
        """The run of that key, if all is as it was then."""
        runs = [run for run in self._runs if run.key == key]
        found = inventory.found_again() if runs else None
        if found is None or self._world is None:
            return None
        values = self._values(found)
        run = next((run for run in runs if run.is_of(values)), None)
        if run is None or not self._world.is_as_it_was():
            return None
        self._since = 0
        return run

    def keep(self, key: Any, found: Found, record: Profile) -> None:
        """Keep a run that was just made. Raises: Open where its code may see more than is compared."""
        if self._world is None or not self._world.is_as_it_was():
            self._runs.clear()
            self._world = World(found.modules)
            self._positions = list(_positions(found, self._world))
        values, containers = self._values(found), list[Any]()
        self._since += 1
        if self._since > 2 * _KEPT or any(map(has_hooks, found.modules)):
            raise Open
        if not all(_is_comparable(value, containers) for value in values):
            raise Open
        nodes = [(n.path, n.kind, n.parameters, n.calls, n.inputs, n.outputs) for n in record.modules.values()]
        contents = _inside(containers)
        self._runs.append(_Run(key, MEMO.current(), values, containers, contents, _copied(record), nodes))

    def _values(self, found: Found) -> tuple[Any, ...]:
        return tuple(map(found.contents.values.__getitem__, self._positions))


_RUNS: WeakKeyDictionary[Inventory, _Runs] = WeakKeyDictionary()


def recorded(request: Request) -> Profile | None:
    """The record of a request that need not be run."""
    inventory = None if request.module is None else inventory_of(request.module)
    runs = None if inventory is None else _RUNS.get(inventory)
    if inventory is None or runs is None or (key := _key(request, inventory)) is None:
        return None
    run = runs.find(key, inventory)
    return None if run is None else run.profile(request.name)


def keep(request: Request, given: Any, dispatcher: Booking, record: Profile) -> None:
    """Keep the record of a run below autograd that has ended, if an equal one was made before and would be equal.

    given: the arguments that the model was called with.
    """
    inventory = None if request.module is None else inventory_of(request.module)
    if inventory is None or (key := _key(request, inventory)) is None:
        return
    runs = _RUNS.setdefault(inventory, _Runs())
    if not runs.closed or not runs.is_met(key) or dispatcher.ledger.asked or record.notes or record.unknown:
        return
    found = inventory.found_again()
    if found is None or not all(type(tensor) is Fake for tensor in tensors_in(given)):
        return
    try:
        runs.keep(key, found, record)
    except Open:
        runs.closed = False


def _key(request: Request, inventory: Inventory) -> tuple[Any, ...] | None:
    """What a run of the same model goes by; None for one that is always made."""
    alone = request.run is request.module and not (request.backward or request.execute or request.memory)
    if not alone or request.proposals is not None or not _is_ordinary():
        return None
    identities: list[int] = []
    try:
        given = _form((request.args, request.kwargs), identities)
        hash(given)
    except (Open, TypeError):
        return None
    if not set(identities).isdisjoint(inventory.ids):
        return None
    return (
        given,
        tuple(map(identities.index, identities)),
        torch.is_grad_enabled(),
        repr([read() for read in _SWITCHES]),
    )


def _is_ordinary() -> bool:
    """Whether nothing but the model and its arguments has a say in what is run."""
    return (
        torch._C._len_torch_function_stack() == 0
        and torch._C._len_torch_dispatch_stack() == 0
        and not torch._C._is_any_autocast_enabled()
        and not torch.is_inference_mode_enabled()
        and torch._C._get_tracing_state() is None
        and forward_ad._current_level < 0
        and active() is None
        and sizing.get() is None
        and not is_call_wrapped()
        and not any(GLOBAL_HOOKS)
        and not REGISTRY.targets
    )


def _form(given: Any, identities: list[int]) -> Any:
    """All that a run sees of its arguments, and in `identities` which of them are the same. Raises: Open."""
    kind = type(given)
    if kind is Spec:
        identities.append(id(given))
        return Spec, given.shape, given.dtype
    if kind is torch.Tensor:
        if given.requires_grad or given.is_nested or given.layout is not torch.strided or not given.is_floating_point():
            raise Open
        identities.append(id(given))
        return metadata_of(given), given.is_meta
    if kind in (list, dict):
        identities.append(id(given))
    if kind is dict:
        return dict, tuple(given), *(_form(item, identities) for item in given.values())
    if kind in (list, tuple):
        return kind, *(_form(item, identities) for item in given)
    if not is_plain(given):
        raise Open
    return kind, given


def _positions(found: Found, world: World) -> Iterator[int]:
    """Where the attributes of modules are that are compared. Raises: Open if one is named that cannot be."""
    if any(world.may_read(name) for tensor in found.tensors for name in vars(tensor)):
        raise Open
    owners = {id(vars(module)): type(module) for module in found.modules}
    start = 0
    for dictionary in found.contents.filled:
        owner = owners.get(id(dictionary))
        for at, (name, value) in enumerate(dictionary.items(), start):
            if owner is None or (name in STANDARD and isinstance(value, (dict, set))):
                continue
            if _is_comparable(value, []):
                yield at
            elif world.may_read(name, owner):
                raise Open
        start += len(dictionary)


def _is_comparable(value: Any, containers: list[Any]) -> bool:
    """Whether a value is plain, or a list or dict of such, which are added to `containers`."""
    if is_plain(value):
        return True
    if type(value) in (list, dict):
        if any(value is known for known in containers):
            return True
        containers.append(value)
    elif type(value) is not tuple:
        return False
    items = (*value, *value.values()) if type(value) is dict else value
    return all(_is_comparable(item, containers) for item in items)


def _inside(containers: Iterable[Any]) -> tuple[list[int], list[Any]]:
    """How long containers are, and what is in them."""
    contents = [(*value, *value.values()) if type(value) is dict else value for value in containers]
    return list(map(len, contents)), list(chain.from_iterable(contents))
