"""The code that calls of some modules reach, where it can see nothing but what is compared before it is skipped.

Followed are the functions that a forward names, and those that they name. They may see modules that are compared with
what they held, numbers and text, tensors by their metadata, and PyTorch's operators: no other objects, files, clocks,
random numbers or values of tensors. Code of which this cannot be told is run each time.
"""

from __future__ import annotations

import builtins
import math
from abc import ABCMeta
from collections.abc import Iterable
from operator import is_
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from flopsight.tracing.again.code import names_in
from flopsight.tracing.leaves import is_others, named_functions
from flopsight.tracing.untouched.putting_back import MISSING, cell_contents
from flopsight.tracing.untouched.reach import ATOMS, names_of

_BUILTINS = frozenset((
    "abs", "all", "any", "bool", "dict", "divmod", "enumerate", "filter", "float", "int", "isinstance", "iter", "len",
    "list", "map", "max", "min", "next", "pow", "range", "reversed", "round", "slice", "sorted", "str", "sum", "super",
    "tuple", "zip",
))  # fmt: skip
_SPACES = (torch, nn, F, torch.jit, torch.fft, torch.linalg, torch.special, math)
"""Libraries of which each function named is looked at."""
_OPERATORS = [getattr(torch._C, name) for name in ("_VariableFunctions", "_nn", "_fft", "_linalg", "_special")]
_TRUSTED = (
    torch.Tensor, torch.Size, nn.Parameter, torch.is_tensor, torch.is_floating_point, torch.is_complex, torch._assert,
    torch.is_grad_enabled, torch.get_default_dtype, torch.jit.is_scripting, torch.jit.is_tracing,  # type: ignore[attr-defined]
    torch.functional.split, torch.functional.meshgrid,
)  # fmt: skip
"""Of PyTorch's, what sees no more than its arguments and what `switches` tells."""
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
_NOT_CALLED = frozenset(
    ["__init__", "__repr__", "__setstate__", "__getstate__", "__reduce__", "__del__", "__deepcopy__"]
)
_BY_A_CALL = ("_call_impl", "_compiled_call_impl", "_slow_forward", "_wrapped_call_impl")
_LOGS = ("torchvision.utils", "_log_api_usage_once")
"""Tells PyTorch that something of torchvision's is used."""
_THEIRS = ("torch.nn.modules.", "torch.nn.functional")


class Open(Exception):
    """Code that may see more than is compared."""


class World:
    """All the code that calls of some modules reach, and where it was found.

    attributes: the names that it reads, of whatever object. Raises: Open.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self.attributes = {"forward", *_BY_A_CALL}
        self._of_theirs: set[str] = set()
        self._classes: dict[type, dict[str, Any]] = {torch.Tensor: _held_by(torch.Tensor)}
        self._functions: dict[FunctionType, _Function] = {}
        self._named: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._waiting: list[FunctionType] = []
        for cls in dict.fromkeys(map(type, modules)):
            self._add_module(cls)
        while self._waiting or self._match():
            while self._waiting:
                self._read(self._waiting.pop())
        for name in self.attributes:
            _check(name)
        if any(self.attributes & vars(function).keys() for function in self._functions):
            raise Open

    def may_read(self, name: str, cls: type = object) -> bool:
        """Whether the code may read an attribute of that name, of a module of that class or of anything."""
        return name in self.attributes or name in self._of_theirs or cls.__module__.startswith(_THEIRS)

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

    def _add_module(self, cls: type) -> None:
        """Follow what a call of a module of that class runs, and what Python calls of it unasked."""
        own: Any = cls
        for name in ("__call__", "__getattr__", "_call_impl"):
            if getattr(own, name) is not getattr(nn.Module, name):
                raise Open
        if own.__getattribute__ is not object.__getattribute__ or type(cls) not in (type, ABCMeta):
            raise Open
        for base in cls.__mro__:
            if base is object or base in self._classes:
                continue
            self._classes[base] = _held_by(base)
            for name, value in vars(base).items():
                special = name[:2] == "__" and name not in _NOT_CALLED
                if special and isinstance(value, FunctionType) and not _is_theirs(value):
                    self._follow(value)

    def _match(self) -> bool:
        """Follow the methods and properties that are named by now; whether any is new."""
        for cls, held in self._classes.items():
            theirs = cls.__module__.startswith(_THEIRS)
            for name in (self.attributes if theirs else self.attributes | self._of_theirs) & held.keys():
                value = held[name]
                if cls is not torch.Tensor:
                    value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                    self._see(value, cls)
                elif isinstance(value, FunctionType) and not value.__module__.startswith("torch."):
                    raise Open
        return bool(self._waiting)

    def _read(self, function: FunctionType) -> None:
        """Note what a function names, and see to it."""
        names = names_in(function.__code__)
        if names is None or vars(builtins) is not getattr(function, "__builtins__", None):
            raise Open
        self.attributes |= names.attributes
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
            if not isinstance(value, ModuleType):
                break
            if not any(value is space for space in _SPACES):
                raise Open
            space = vars(value)
            value = space.get(name, MISSING)
            self._note(space, name, value)
        self._see(value)

    def _note(self, space: Any, name: str, value: Any) -> None:
        self._named.setdefault(id(space), (space, {}))[1][name] = value

    def _see(self, value: Any, owner: type = object) -> None:
        """See to something that code may use: it leads nowhere, or is a function that can be followed."""
        if is_plain(value) or any(value is known for known in _TRUSTED):
            return
        if not isinstance(value, FunctionType):
            raise Open
        if (value.__module__, value.__name__) == _LOGS:
            return
        if _is_theirs(value):
            self._trust(value, owner)
        else:
            self._follow(value)

    def _follow(self, function: FunctionType) -> None:
        if function not in self._functions:
            self._functions[function] = _Function(function)
            self._waiting.append(function)

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
    return kind in ATOMS and kind is not ModuleType
