"""What constructors are given: the arguments that they need, and configurations from files."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flopsight.errors import InputError


def read_configuration(path: Path) -> Any:
    """What a configuration file holds, as JSON. Raises: InputError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The configuration {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"The configuration {path} is not JSON: {error}.") from error


def required(function: Callable[..., Any]) -> list[str]:
    """The parameters that a function or class needs, by name; none where it does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    bare = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in bare]


def refuse_missing(scheme: str, name: str, missing: list[str]) -> None:
    """Refuse a model whose constructor needs arguments that it was not given. Raises: InputError."""
    if missing:
        raise InputError(
            f"{name} also needs {', '.join(missing)}; give them in parentheses, as in "
            f"'{scheme}:{name}({missing[0]}=...)'."
        )
