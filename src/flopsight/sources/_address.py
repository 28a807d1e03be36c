"""The text that names a model, and the arguments that may follow it in parentheses."""

from __future__ import annotations

import ast
from typing import Any

from flopsight.errors import InputError

_SHOWN = 100


def split_arguments(text: str) -> tuple[str, dict[str, Any]]:
    """Name and constructor arguments: `"net.py:Net(depth=3)"` is `("net.py:Net", {"depth": 3})`. Raises: InputError."""
    if not text.endswith(")") or "(" not in text:
        return text, {}
    name, _, inside = text[:-1].partition("(")
    try:
        call = ast.parse(f"_({inside})", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError("arguments are given by name, once")
        if any(keyword.arg is None for keyword in call.keywords):
            raise ValueError("** is not read")
        return name, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (
        ValueError,
        SyntaxError,
        RecursionError,
        MemoryError,
    ) as error:  # the last two where it is nested too deeply
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        reason = str(error) if isinstance(error, (ValueError, SyntaxError)) else "nested too deeply"
        raise InputError(
            f"The arguments in {shown!r} cannot be read ({reason}); write literals by name, as in "
            "'net.py:Net(depth=3)'."
        ) from None
