"""Records of runs, kept beside a model that is met again: an equal run is not made, its record is that of the last.

Runs are equal if the model, the arguments' metadata and PyTorch's switches are, and the code of the model can see
nothing else (`again.world`). All of it is compared each time; a run is kept the second time that a model makes it which
has been met before.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import is_
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
import torch.autograd.forward_ad as forward_ad

from flopsight.calls import ModuleNode
from flopsight.formulas.registry import REGISTRY
from flopsight.profiles import Profile
from flopsight.tracing.again.executed import Executed
from flopsight.tracing.again.world import Open, World, is_plain
from flopsight.tracing.booking import Booking
from flopsight.tracing.fake import Fake, metadata_of
from flopsight.tracing.given.inputs import Spec, tensors_in
from flopsight.tracing.inventory import Found, Inventory, inventory_of
from flopsight.tracing.leaves import SWITCHES
from flopsight.tracing.memo import MEMO
from flopsight.tracing.metadata import sizing
from flopsight.tracing.place import active
from flopsight.tracing.request import Request
from flopsight.tracing.scopes import GLOBAL_HOOKS, has_hooks, is_call_wrapped
from flopsight.tracing.untouched.contents import STANDARD

_KEPT, _MET = 8, 64
"""Runs of one model whose records are kept, and of which it is known that they were made."""


class _Run(NamedTuple):
    """A run: what it goes by, and what it cost.

    key: what it was called with. memo: the calls remembered then. world: the code. places: where among the contents of
    the modules those attributes are that are compared, `values` what they were, one after the other. containers: the
    lists and dicts among these and inside them, `contents` what was in those.
    record: its data, without the modules. nodes: the fields of the modules' records.
    """

    key: Any
    memo: dict[Any, Any]
    world: World
    places: list[int]
    values: list[Any]
    containers: list[Any]
    contents: tuple[list[int], list[Any]]
    record: Profile
    nodes: list[tuple[Any, ...]]

    def would_be(self, found: Found) -> bool:
        """Whether it would be the same of modules that were found as they were."""
        if self.memo is not MEMO.current() or _has_formulas(found):
            return False
        if not all(map(is_, _at(self.places, found), self.values)):
            return False
        (lengths, items), now = self.contents, _inside(self.containers)
        return now[0] == lengths and all(map(is_, now[1], items)) and self.world.is_as_it_was()

    def profile(self, name: str) -> Profile:
        """Its record, as the caller's own."""
        nodes = {fields[0]: ModuleNode(*fields) for fields in self.nodes}
        return _copied(self.record, name, nodes)


def _has_formulas(found: Found) -> bool:
    """Whether the user has given a formula for a module, which may be any function."""
    return bool(REGISTRY.targets) and not REGISTRY.targets.keys().isdisjoint(map(type, found.modules))


def _at(places: list[int], found: Found) -> Iterator[Any]:
    return map(found.contents.values.__getitem__, places)


def _copied(record: Profile, name: str, modules: dict[str, ModuleNode]) -> Profile:
    about = copy.deepcopy(record.about)
    return Profile(name, record.operations[:], record.scopes[:], record.calls[:], modules, about=about)


class _Runs:
    """The runs of one model as an inventory found it.

    met: with what it was called once. left: how many more are kept if none of them is told.
    """

    def __init__(self) -> None:
        self.kept: deque[_Run] = deque(maxlen=_KEPT)
        self.met: deque[Any] = deque(maxlen=_MET)
        self.left = 2 * _KEPT


_RUNS: WeakKeyDictionary[Inventory, _Runs] = WeakKeyDictionary()


def recorded(request: Request) -> Profile | None:
    """The record of a request that need not be run."""
    inventory = None if request.module is None else inventory_of(request.module)
    runs = None if inventory is None else _RUNS.get(inventory)
    if inventory is None or runs is None or not runs.kept or (key := _key(request, inventory)) is None:
        return None
    same = [run for run in tuple(runs.kept) if run.key == key]
    found = inventory.found_again() if same else None
    run = next((run for run in same if run.would_be(found)), None) if found is not None else None
    if run is None:
        return None
    runs.left = 2 * _KEPT
    return run.profile(request.name)


class Watch:
    """Entered while a request is run below autograd; `keep` then keeps its record, if an equal one was run before."""

    def __init__(self, request: Request) -> None:
        self._executed = Executed()
        self._inventory = inventory = None if request.module is None else inventory_of(request.module)
        self._key = None if inventory is None else _key(request, inventory)
        self._keeps = inventory is not None and self._key is not None and self._is_met_again(inventory)

    def _is_met_again(self, inventory: Inventory) -> bool:
        runs = _RUNS.setdefault(inventory, _Runs())
        if self._key not in runs.met:
            runs.met.append(self._key)
            return False
        return runs.left > 0

    def __enter__(self) -> None:
        if self._keeps:
            self._executed.__enter__()

    def __exit__(self, *error: Any) -> None:
        if self._keeps:
            self._executed.__exit__(*error)

    def keep(self, given: Any, dispatcher: Booking, record: Profile) -> None:
        """Keep a run that has ended, if an equal one would do the same.

        given: the arguments that the model was called with.
        """
        inventory = self._inventory
        if inventory is None or not self._keeps or not self._executed.complete:
            return
        runs, found = _RUNS[inventory], inventory.found_again()
        runs.left -= 1
        try:
            if dispatcher.ledger.asked or record.notes or record.unknown:
                raise Open
            if found is not None and all(type(tensor) is Fake for tensor in tensors_in(given)):
                runs.kept.append(_run(self._key, found, self._executed, record))
        except Open:
            runs.left = 0


def _run(key: Any, found: Found, executed: Executed, record: Profile) -> _Run:
    """A run to be kept. Raises: Open where its code may see more than is compared."""
    if any(map(has_hooks, found.modules)) or _has_formulas(found):
        raise Open
    world = World(found.modules, executed)
    places, containers = _compared(found, world)
    values = list(_at(places, found))
    nodes = [(n.path, n.kind, n.parameters, n.calls, n.inputs, n.outputs) for n in record.modules.values()]
    contents = _inside(containers)
    return _Run(
        key, MEMO.current(), world, places, values, containers, contents, _copied(record, record.model, {}), nodes
    )


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
        repr([read() for read in SWITCHES]),
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
    )


def _form(given: Any, identities: list[int]) -> Any:
    """All that a run sees of its arguments, and in `identities` which of them are the same. Raises: Open."""
    kind = type(given)
    if kind is Spec:
        if given.dtype is not None and not given.dtype.is_floating_point:
            raise Open
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


def _compared(found: Found, world: World) -> tuple[list[int], list[Any]]:
    """Where the attributes of modules are that are compared, and the lists and dicts among them and inside these.

    Raises: Open if one is named that cannot be compared.
    """
    if any(world.may_read(name) for tensor in found.tensors for name in vars(tensor)):
        raise Open
    owners = {id(vars(module)): type(module) for module in found.modules}
    places, containers, start = list[int](), list[Any](), 0
    for dictionary in found.contents.filled:
        owner = owners.get(id(dictionary))
        for at, (name, value) in enumerate(dictionary.items(), start):
            if owner is None or (name in STANDARD and isinstance(value, (dict, set))):
                continue
            inside: list[Any] = []
            if _is_comparable(value, inside):
                places.append(at)
                containers += inside
            elif world.may_read(name, owner):
                raise Open
        start += len(dictionary)
    return places, containers


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
