"""What many modules hold, in their dictionaries one after the other, so that all of it is compared at once."""

from __future__ import annotations

from collections import OrderedDict
from itertools import chain, filterfalse, islice
from operator import is_, itemgetter, methodcaller
from typing import Any

from torch import nn

from flopsight.tracing.untouched import putting_back

STANDARD = frozenset(nn.Module().__dict__)
"""The attributes that every module has: flags, and containers of parameters, modules and hooks."""
_NAMES = tuple(name for name, value in nn.Module().__dict__.items() if isinstance(value, dict))
_SET = "_non_persistent_buffers_set"
_dictionaries_of = itemgetter(*_NAMES)
_values_of = methodcaller("values")  # in the order of an OrderedDict, which `dict.values` does not know
_KINDS = {dict, OrderedDict, set}


class Contents:
    """Dictionaries, to be put back: what they hold one after the other. Those that are empty, and sets that are, are to
    be empty again.

    all: in order. lengths, keys, values: of the dictionaries that hold something.
    """

    def __init__(self) -> None:
        self.all: list[Any] = []
        self.lengths: list[int] = []
        self.keys: list[Any] = []
        self.values: list[Any] = []
        self.filled: list[dict[Any, Any]] = []
        self._empty: list[Any] = []
        self._sets: list[tuple[set[Any], set[Any]]] = []

    def add(self, dictionaries: list[Any]) -> None:
        """Note what dictionaries hold; a scripted module has other containers, of its own, which are left out."""
        if not set(map(type, dictionaries)) <= _KINDS:
            dictionaries = [value for value in dictionaries if isinstance(value, (dict, set))]
        filled = list(filter(None, dictionaries))
        self._empty += filterfalse(None, dictionaries)
        self.filled += filled
        self.all += dictionaries
        self.lengths += map(len, filled)
        self.keys += chain.from_iterable(filled)
        self.values += chain.from_iterable(map(_values_of, filled))

    def add_modules(self, attributes: list[dict[str, Any]]) -> None:
        """Note the attributes of modules, and the dictionaries that every module has."""
        try:
            held = list(chain.from_iterable(map(_dictionaries_of, attributes)))
        except KeyError:  # a module that was made without nn.Module's constructor
            held = [each[name] for each in attributes for name in _NAMES if name in each]
        names = [each.get(_SET) for each in attributes]
        self._sets += [(each, each.copy()) for each in names if each]
        self.add([*attributes, *held, *[each for each in names if each is not None and not each]])

    def sizes(self) -> list[int]:
        """How much each holds now."""
        return list(map(len, self.all))

    def extend(self, other: Contents) -> None:
        """Note what another has noted."""
        for name, value in vars(other).items():
            getattr(self, name).extend(value)

    def restore(self) -> None:
        """Put back those that changed."""
        if any(self._empty):
            for value in self._empty:
                value.clear()
        for names, before in self._sets:
            putting_back.container(names, before)
        if self._is_as_it_was():
            return
        keys, values = iter(self.keys), iter(self.values)
        for value, length in zip(self.filled, self.lengths, strict=True):
            held = dict(zip(islice(keys, length), islice(values, length), strict=True))
            putting_back.container(value, held)

    def _is_as_it_was(self) -> bool:
        values = list(chain.from_iterable(map(_values_of, self.filled)))
        return (
            len(values) == len(self.values)
            and all(map(is_, values, self.values))
            and list(map(len, self.filled)) == self.lengths
            and list(chain.from_iterable(self.filled)) == self.keys
        )
