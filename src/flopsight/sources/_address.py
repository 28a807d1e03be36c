"""The text that names a model, and the arguments that may follow it in parentheses."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from flopsight.errors import InputError

_SHOWN = 100
_PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin")
_WEIGHTS = ".safetensors"


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


def refuse_pickled(name: str) -> None:
    """Refuse a file of weights: it has no model in it, and to unpickle one runs whatever its writer put there.

    Raises: InputError, with what to name instead.
    """
    if not name.endswith((*_PICKLES, _WEIGHTS)):
        return
    reason = (
        "holds weights and no model"
        if name.endswith(_WEIGHTS)
        else "is a pickle, which runs its writer's code when it is read, so flopsight does not read it"
    )
    raise InputError(
        f"{name} {reason}. What a model costs is in its code, not in its weights: name the code, as "
        "path/to/net.py:NAME, or save the model with torch.export.save and name the .pt2 file."
    )


def refuse_unclear(prefix: str, rest: str, schemes: Mapping[str, str]) -> None:
    """Refuse `prefix:rest` where it may mean a module to import or, misspelt or by another name, a source.

    schemes: the prefix of a source by each of its names. Raises: InputError, before anything is imported.
    """
    local = next((path for path in (f"./{prefix}.py", f"./{prefix}/__init__.py") if Path(path).is_file()), None)
    if prefix in schemes:
        if prefix == schemes[prefix] or local is None:
            return
        meant = [schemes[prefix]]
    else:
        meant = sorted({schemes[name] for name in schemes if _misspelt(prefix, name)})
    if meant:
        own = f" or, for the module in this folder, {f'{local}:{rest}'!r}" if local else ""
        likeness = "another name of" if prefix in schemes else "nearly the name of"
        raise InputError(
            f"{prefix!r} is {likeness} a source of models, so no module is imported for it. Did you mean "
            f"{' or '.join(repr(f'{scheme}:{rest}') for scheme in meant)}{own}?"
            + ("" if local else " A module of your own is written as path/to/net.py:NAME.")
        )


def _misspelt(written: str, name: str) -> bool:
    """Whether `written` is a name of some length with a letter more, less, changed or moved, or in other case."""
    written = written.lower()
    if len(name) < _LONG or not written.isidentifier():
        return False
    if len(written) == len(name) and sum(a != b for a, b in zip(written, name, strict=True)) <= 1:
        return True
    return sorted(written) == sorted(name) or SequenceMatcher(None, written, name).ratio() >= _ALIKE


_LONG = 4
_ALIKE = 0.85
