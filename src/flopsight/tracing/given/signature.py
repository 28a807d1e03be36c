"""What a model's signature says of its arguments: which of them are integers rather than a tensor's shape."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from torch import nn

_TENSOR = re.compile(r"tensor|\bany\b|\bobject\b", re.IGNORECASE)
_INTEGER = re.compile(r"\bint\b")
_SEQUENCE = re.compile(r"\b(int|tuple|list|sequence|size|_size\w*)\b", re.IGNORECASE)


class Signature:
    """The parameters of what is to be run, looked up when first asked for."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run
        self._found: list[inspect.Parameter] | None = None

    def is_plain(self, key: int | str, value: Any) -> bool:
        """Whether the parameter at that position, or of that name, takes `value`, a tuple or list, as it is.

        Its annotation says so (`size: tuple[int, int]`), or if it has none its default (`size=(7, 7)`).
        """
        parameter = self._parameter(key)
        if parameter is None:
            return False
        flat = bool(value) and all(type(item) is int for item in value)
        if parameter.annotation is inspect.Parameter.empty:
            default = parameter.default
            return flat and type(default) in (tuple, list) and bool(default) and all(type(i) is int for i in default)
        text = str(parameter.annotation)
        return not _TENSOR.search(text) and bool((_SEQUENCE if flat else _INTEGER).search(text))

    def name(self, at: int) -> str:
        """The name of the parameter at that position; the position as text if it has none."""
        run = self._run.forward if isinstance(self._run, nn.Module) else self._run
        function = run.__func__ if isinstance(run, MethodType) else run
        if isinstance(function, FunctionType) and not vars(function):  # what decorators leave
            names = function.__code__.co_varnames[function is not run : function.__code__.co_argcount]
            if at < len(names):
                return names[at]
        parameter = self._parameter(at)
        return str(at) if parameter is None else parameter.name

    def _parameter(self, key: int | str) -> inspect.Parameter | None:
        if self._found is None:
            run = self._run.forward if isinstance(self._run, nn.Module) else self._run
            try:
                self._found = list(inspect.signature(run).parameters.values())
            except (TypeError, ValueError):
                self._found = []
        if isinstance(key, str):
            return next((p for p in self._found if p.name == key), None)
        ordered = [p for p in self._found if p.kind is not inspect.Parameter.KEYWORD_ONLY]
        if ordered and ordered[-1].kind is inspect.Parameter.VAR_KEYWORD:
            ordered.pop()
        if ordered and ordered[-1].kind is inspect.Parameter.VAR_POSITIONAL:
            return ordered[min(key, len(ordered) - 1)]
        return ordered[key] if key < len(ordered) else None
