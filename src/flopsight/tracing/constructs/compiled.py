"""Compiled code runs as its original inside a run.

`torch.compile` would otherwise trace into the dispatch mode, or give the user's functions up for good because a mode is
on: what is compiled afterwards would then run uncompiled, without a word. PyTorch asks its *stance* before each call of
compiled code; during a run it is `force_eager`. It is so in all threads, because PyTorch keeps one flag for all of them
that says whether a mode is on.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from torch import nn
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.utils import _python_dispatch

from flopsight.tracing.constructs import nested
from flopsight.tracing.place import active
from flopsight.tracing.untouched.replacement import Replacement

_PACKAGE = "torch._dynamo"
_DYNAMO = f"{_PACKAGE}.eval_frame"
_FLAGS = tuple(name for name in vars(_python_dispatch) if name.startswith("_is_in_"))
_OF_GUARDS = "_is_in_any_mode_without_ignore_compile_internals"
_SET_FLAG = getattr(_python_dispatch, "set_is_in_mode_without_ignore_compile_internals", None)
"""Says whether a mode is on, in any thread, to code that is compiled: each mode puts back what it found."""


def is_wrapper(module: nn.Module) -> bool:
    """Whether a module is what `torch.compile` makes of another one."""
    if "_orig_mod" not in module._modules:
        return False
    dynamo = sys.modules.get(_DYNAMO)
    return dynamo is not None and isinstance(module, dynamo.OptimizedModule)


def original(model: Any) -> Any:
    """What `torch.compile` was given to make `model`; `model` itself if it is not compiled."""
    while True:
        if isinstance(model, nn.Module) and is_wrapper(model):
            model = model._modules["_orig_mod"]
        elif getattr(model, "_torchdynamo_wrapper_id", None) == id(model):  # functools.wraps copies the attributes
            model = model._torchdynamo_orig_callable
        else:
            return model


class _Originals(MetaPathFinder):
    """Puts the stance in place while there are runs, also where `torch._dynamo` is imported during one."""

    def __init__(self) -> None:
        self._runs = 0
        self._lock = threading.RLock()
        self._before: Any = None
        self._stance: Any = None
        self._off: list[str] = []

    def __enter__(self) -> None:
        with self._lock:
            self._runs += 1
            if self._runs > 1:
                return
            self._off = [flag for flag in _FLAGS if not getattr(_python_dispatch, flag)]
            if (dynamo := sys.modules.get(_DYNAMO)) is not None:
                self._install(dynamo)
            else:
                sys.meta_path.insert(0, self)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._runs -= 1
            if self._runs:
                return
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            if self._stance is not None:
                dynamo: Any = sys.modules[_DYNAMO]
                if dynamo._stance is self._stance:  # else the user's code has set another one
                    dynamo._stance = self._before
                self._stance = self._before = None
            for flag in self._off:  # runs that overlap leave them on
                setattr(_python_dispatch, flag, False)
            if _SET_FLAG is not None and _OF_GUARDS in self._off:
                _SET_FLAG(False)

    def _install(self, dynamo: Any) -> None:
        if not hasattr(dynamo, "_stance"):
            return
        self._before = dynamo._stance
        self._stance = dynamo._stance = dynamo.DynamoStance("force_eager")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The ordinary spec of the module that holds the stance, which is put in place once the module has run, and of
        its package, whose operators on import (2.6 has some) are none of the run's.
        """
        if fullname not in (_DYNAMO, _PACKAGE):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module
            spec.loader.exec_module = partial(self._execute, execute)  # type: ignore[method-assign]
        return spec

    def _execute(self, execute: Callable[[ModuleType], None], module: ModuleType) -> None:
        with _python_dispatch._disable_current_modes(), temporarily_clear_interpreter_stack():
            execute(module)
            if module.__name__ == _PACKAGE:
                nested.prepare()
        with self._lock:
            if self._runs and module.__name__ == _DYNAMO:
                self._install(module)


def _warns_of_hooks() -> bool:
    """Compiled modules ask this in order to warn that hooks see them twice; ours know better."""
    return active() is None and _HOOKS.original()


_HOOKS = Replacement(nn.modules.module, "_has_any_global_hook", _warns_of_hooks)
AS_ORIGINAL = _Originals(), _HOOKS
"""Compiled code that is called inside these runs uncompiled; `torch.compile` is as before at the end."""
