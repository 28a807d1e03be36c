"""The code that a run executed, where it can see nothing but what is compared before it is skipped.

Followed are the methods of the modules' classes, and the functions that these name. They may see modules that are
compared with what they held, numbers and text, tensors by their metadata, and PyTorch's operators: no other objects,
files, clocks, random numbers or values of tensors. A run of other code is made each time.
"""

from __future__ import annotations

import builtins
import math
from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum
from operator import is_
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any

import torch
from torch import nn

from flopsight.tracing.again.code import codes_in, names_in
from flopsight.tracing.again.executed import Executed
from flopsight.tracing.leaves import is_others, named_functions
from flopsight.tracing.untouched.putting_back import MISSING, cell_contents
from flopsight.tracing.untouched.reach import ATOMS, names_of

_BUILTINS = frozenset((
    "abs", "all", "any", "bool", "dict", "divmod", "enumerate", "filter", "float", "int", "isinstance", "iter", "len",
    "list", "map", "max", "min", "next", "pow", "range", "reversed", "round", "slice", "sorted", "str", "sum", "super",
    "tuple", "zip",
))  # fmt: skip
_OPERATORS = [getattr(torch._C, name) for name in ("_VariableFunctions", "_nn", "_fft", "_linalg", "_special")]
_TRUSTED = (
    OrderedDict, torch.Tensor, torch.Size, nn.Parameter,
    torch.is_tensor, torch.is_floating_point, torch.is_complex, torch._assert,
    torch.is_grad_enabled, torch.get_default_dtype, torch.jit.is_scripting, torch.jit.is_tracing,  # type: ignore[attr-defined]
    torch.functional.split, torch.functional.meshgrid,
)  # fmt: skip
"""What sees no more than its arguments, and switches that are compared."""
_METADATA = frozenset((
    "T", "mT", "H", "mH", "bool", "bfloat16", "cpu", "device", "double", "dim", "dtype", "element_size", "float",
    "half", "int", "is_complex", "is_contiguous", "is_cpu", "is_cuda", "is_floating_point", "is_meta", "is_signed",
    "itemsize", "layout", "long", "nbytes", "ndim", "nelement", "new_empty", "new_full", "new_ones", "new_tensor",
    "new_zeros", "numel", "reshape_as", "shape", "size", "stride", "to", "type_as", "view_as",
))  # fmt: skip
_TELLS = frozenset((
    "backward", "data", "detach_", "grad", "is_leaf", "is_pinned", "item", "numpy", "output_nr", "pin_memory",
    "record_stream", "rename_", "requires_grad", "requires_grad_", "resize_", "resize_as_", "retain_grad",
    "retains_grad", "set_", "set_data", "tolist", "_version",
))  # fmt: skip
"""Names of tensors' that tell values, gradients or memory, or change what a tensor is."""
_LOGS = ("torchvision.utils", "_log_api_usage_once")
"""Tells PyTorch that something of torchvision's is used."""
_OF_MEMBERS = {"_value_", "_name_", "_sort_order_", "__objclass__"}
"""The attributes that each member of an enumeration has."""
_THEIRS = ("torch.nn.modules.", "torch.nn.functional", "torch._tensor")


class Open(Exception):
    """Code that may see more than is compared."""


class World:
    """All the code that a run of some modules executed, and where it was found. Raises: Open."""

    def __init__(self, modules: Iterable[nn.Module], executed: Executed) -> None:
        self._executed = executed
        self._attributes: set[str] = set()
        self._of_theirs: set[str] = set()
        self._classes: dict[type, dict[str, Any]] = {}
        self._functions: dict[FunctionType, _Function] = {}
        self._named: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._waiting: list[FunctionType] = []
        classes: Iterable[Any] = dict.fromkeys(map(type, modules))
        for cls in classes:
            self._add_class(cls)
            self._see(cls.forward, cls)  # which is remembered, where it is PyTorch's, and did not run
        while self._waiting or self._match():
            while self._waiting:
                self._read(self._waiting.pop())
        for name in self._attributes:
            _check(name)
        self._classes[torch.Tensor] = _held_by(torch.Tensor)
        followed = {id(code) for function in self._functions for code in codes_in(function.__code__)}
        if not followed.issuperset(executed.of_users()):
            raise Open
        if any(self._attributes & vars(function).keys() for function in self._functions):
            raise Open
        del self._executed

    def may_read(self, name: str, cls: type = object) -> bool:
        """Whether the code may read an attribute of that name, of a module of that class or of anything."""
        return name in self._attributes or name in self._of_theirs or cls.__module__.startswith(_THEIRS)

    def is_as_it_was(self) -> bool:
        """Whether all of the code is where it was found, and is the same."""
        for cls, held in self._classes.items():
            now = _held_by(cls)
            if len(now) != len(held) or not all(map(is_, now.values(), held.values())):
                return False
        for space, named in self._named.values():
            if not all(map(is_, [space.get(name, MISSING) for name in named], named.values())):
                return False
        return all(function.is_as_it_was() for function in self._functions.values())

    def _add_class(self, cls: type) -> None:
        """Note a class and its bases, and follow their methods that ran."""
        for base in cls.__mro__:
            if base.__module__ == "builtins" or base in self._classes:
                continue
            self._classes[base] = held = _held_by(base)
            for value in held.values():
                function = _function_of(value)
                if isinstance(function, FunctionType) and function.__code__ in self._executed:
                    self._see(function, base)

    def _match(self) -> bool:
        """See to the attributes of classes that are named by now; whether any is to be followed."""
        for cls, held in list(self._classes.items()):
            theirs = cls.__module__.startswith(_THEIRS)
            for name in (self._attributes if theirs else self._attributes | self._of_theirs) & held.keys():
                if name[:2] != "__":
                    self._see(_function_of(held[name]), cls)
        return bool(self._waiting)

    def _read(self, function: FunctionType) -> None:
        """Note what a function names, and see to it."""
        names = names_in(function.__code__)
        if names is None or vars(builtins) is not getattr(function, "__builtins__", None):
            raise Open
        self._attributes |= names.attributes
        for path in names.paths:
            self._read_path(function.__globals__, path)
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._see(value)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if name != "__class__":
                self._see(cell_contents(cell))

    def _read_path(self, variables: dict[str, Any], path: tuple[str, ...]) -> None:
        value = variables.get(path[0], MISSING)
        self._note(variables, path[0], value)
        if value is MISSING:
            value = getattr(builtins, path[0], None)
            if path[0] not in _BUILTINS and not (isinstance(value, type) and issubclass(value, Exception)):
                raise Open
            self._note(vars(builtins), path[0], value)
            return
        for name in path[1:]:
            if type(value) is not ModuleType:
                break
            space = vars(value)
            value = space.get(name, MISSING)
            self._note(space, name, value)
        self._see(value)

    def _note(self, space: Any, name: str, value: Any) -> None:
        self._named.setdefault(id(space), (space, {}))[1][name] = value

    def _see(self, value: Any, owner: type = object) -> None:
        """See to something that code may use: it leads nowhere, did not run, or can be followed."""
        if is_plain(value) or any(value is known for known in _TRUSTED):
            return
        if isinstance(value, type) and issubclass(value, (nn.Module, Enum)):
            self._add_class(value)
        elif not isinstance(value, FunctionType):
            raise Open
        elif _is_theirs(value):
            self._trust(value, owner)
        elif value.__code__ in self._executed and value not in self._functions:
            self._functions[value] = _Function(value)
            if (value.__module__, value.__name__) != _LOGS:
                self._waiting.append(value)

    def _trust(self, function: FunctionType, owner: type) -> None:
        """A function of PyTorch's modules, which sees what is known if those that it names are PyTorch's."""
        if function not in self._functions:
            self._functions[function] = _Function(function)
            self._of_theirs.update(names_of(function.__code__))
            for space, name in named_functions(function, owner):
                self._note(space, name, space[name])
                if is_others(space[name]):
                    self._see(space[name])


class _Function:
    """A function, and what it was."""

    def __init__(self, function: FunctionType) -> None:
        self._function = function
        self._cells: tuple[CellType, ...] = function.__closure__ or ()
        self._was = self._parts()

    def _parts(self) -> list[Any]:
        function = self._function
        named = function.__kwdefaults__ or {}
        cells = map(cell_contents, self._cells)
        return [function.__code__, function.__defaults__, *named.values(), *cells, *vars(function).values()]

    def is_as_it_was(self) -> bool:
        """Whether its code is the same, and all that hangs on it."""
        now = self._parts()
        return len(now) == len(self._was) and all(map(is_, now, self._was))


def _held_by(cls: type) -> dict[str, Any]:
    """What a class holds; without what calls modules, which runs of ours replace."""
    held = {"__mro__": cls.__mro__, **vars(cls)}
    if cls is nn.Module:
        del held["__call__"]
    return held


def _function_of(value: Any) -> Any:
    """What is called for an attribute of a class: the getter of a property, the function of a method."""
    return value.fget if isinstance(value, property) else getattr(value, "__func__", value)


def _is_theirs(function: FunctionType) -> bool:
    return function.__module__ is not None and function.__module__.startswith(_THEIRS)


def _check(attribute: str) -> None:
    """Raises: Open for a name that may lead to more than a tensor's metadata, or to more than an object."""
    if attribute[:2] == "__" or attribute in _TELLS:
        raise Open
    if attribute not in _METADATA and hasattr(torch.Tensor, attribute) and not hasattr(torch.ops.aten, attribute):
        raise Open


def is_plain(value: Any) -> bool:
    """Whether a value is a number, text, one of PyTorch's operators or constants, or a tuple of such."""
    kind = type(value)
    if kind is tuple:
        return all(map(is_plain, value))
    if kind is slice:
        return is_plain((value.start, value.stop, value.step))
    if kind is BuiltinFunctionType:
        own = value.__module__ == math.__name__
        return own or any(getattr(space, value.__name__, None) is value for space in _OPERATORS)
    if isinstance(value, Enum):
        return vars(value).keys() <= _OF_MEMBERS and is_plain(value.value)
    return kind in ATOMS and kind is not ModuleType
