"""What a saved profile must look like, checked before it is read: a file may come from anywhere.

A check is a function of a value and of the place where it stands (`operations[3].cost.macs`), and raises `Damaged`.
Bounds keep what is computed from the numbers printable, and walks over modules within Python's own depth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flopsight.calls import KINDS

Check = Callable[[Any, str], None]

MOST = 10**60
"""The largest number that is read; PyTorch's own sizes end at 2**63."""

MODULE_DEPTH = 200
PATH_LENGTH = 4000
VALUE_DEPTH = 50
_PHASES = 4


class Damaged(ValueError):
    """A value is not what it should be; the text says where, what was expected and what was found."""


def _expect(fits: bool, value: Any, where: str, expected: str) -> None:
    if not fits:
        shown = repr(value)
        raise Damaged(f"{where} should be {expected}, and is {shown if len(shown) <= 60 else shown[:60] + '...'}")


def _text(value: Any, where: str) -> None:
    _expect(isinstance(value, str), value, where, "a text")


def _boolean(value: Any, where: str) -> None:
    _expect(isinstance(value, bool), value, where, "true or false")


def _number(value: Any, where: str) -> None:
    _expect(
        isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST,
        value,
        where,
        "a whole number from 0 to 10**60",
    )


def _identity(value: Any, where: str) -> None:
    _expect(type(value) is int and abs(value) < MOST, value, where, "a whole number")


def _path(value: Any, where: str) -> None:
    _text(value, where)
    fits = value.count(".") < MODULE_DEPTH and len(value) <= PATH_LENGTH
    _expect(fits, value, where, f"a module at most {MODULE_DEPTH} deep, in at most {PATH_LENGTH} letters")


def _optional(check: Check) -> Check:
    return lambda value, where: None if value is None else check(value, where)


def _each(check: Check) -> Check:
    def checks(value: Any, where: str) -> None:
        _expect(isinstance(value, list), value, where, "a list")
        for index, item in enumerate(value):
            check(item, f"{where}[{index}]")

    return checks


def _by_name(check: Check) -> Check:
    def checks(value: Any, where: str) -> None:
        _expect(isinstance(value, dict), value, where, "an object")
        for name, item in value.items():
            check(item, f"{where}.{name}")

    return checks


def _row(*checks: Check, optional: int = 0) -> Check:
    """A list of one value for each check; the last `optional` ones may be left out."""

    def check_row(value: Any, where: str) -> None:
        fits = isinstance(value, list) and len(checks) - optional <= len(value) <= len(checks)
        _expect(fits, value, where, f"a list of {len(checks)} values")
        for index, (check, item) in enumerate(zip(checks, value, strict=False)):
            check(item, f"{where}[{index}]")

    return check_row


def _fields(checks: Mapping[str, Check]) -> Check:
    def check_fields(value: Any, where: str) -> None:
        _expect(isinstance(value, dict), value, where or "the file", "an object")
        for name, check in checks.items():
            inside = f"{where}.{name}" if where else name
            if name not in value:
                raise Damaged(f"{inside} is missing")
            check(value[name], inside)

    return check_fields


def _plain(value: Any, where: str, depth: int = VALUE_DEPTH) -> None:
    """Values of any kind, not nested too deeply to be written again."""
    _expect(depth > 0, value, where, f"nested at most {VALUE_DEPTH} deep")
    if isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            _plain(item, where, depth - 1)
    elif isinstance(value, int):
        _expect(abs(value) < MOST, value, where, "a number below 10**60")


def _sizes(value: Any, where: str) -> None:
    _each(_number)(value, where)
    elements = 1
    for size in value:
        elements *= size or 1
        _expect(elements < MOST, value, where, "the sizes of a tensor with fewer than 10**60 elements")


_tensor = _row(_sizes, _text, _optional(_number), optional=1)


def _specs(value: Any, where: str, depth: int = VALUE_DEPTH) -> None:
    _expect(depth > 0, value, where, f"nested at most {VALUE_DEPTH} deep")
    if not isinstance(value, dict):
        _optional(_tensor)(value, where)
        return
    _expect(isinstance(value.get("list"), list), value, where, "a tensor, or an object with a list of tensors")
    for item in value["list"]:
        _specs(item, where, depth - 1)


_OPERATION = _fields({
    "operator": _text, "family": _text, "inputs": _by_name(_specs), "arguments": _by_name(_plain),
    "outputs": _each(_tensor), "cost": _optional(_by_name(_number)), "dtype": _text, "source": _text,
    "reason": _optional(_text), "site": _optional(_text),
})  # fmt: skip

_MODULE = _fields({
    "path": _path, "kind": _text, "calls": _number, "inputs": _each(_tensor), "outputs": _each(_tensor),
    "parameters": _each(_row(_text, _tensor, _boolean, _boolean, _identity)),
})  # fmt: skip

_STORAGE = _row(
    _text, _number, _tensor, _number, _optional(_number), _optional(_number), _optional(_identity), _optional(_text),
    _optional(_path),
)  # fmt: skip

_PROFILE = _fields({
    "model": _text, "root": _text, "notes": _each(_text), "about": _by_name(_plain), "operations": _each(_OPERATION),
    "modules": _each(_MODULE), "scopes": _each(_row(_path, _identity, _number)),
    "calls": _each(lambda value, where: _expect(isinstance(value, list), value, where, "a list of 3 values")),
})  # fmt: skip


def check(data: Any) -> None:
    """Raise `Damaged` where `data`, read from JSON, is no profile, or names something that is not in it."""
    _PROFILE(data, "")
    given = data["about"].get("inputs", [])
    _expect(isinstance(given, list), given, "about.inputs", "a list")
    paths = [module["path"] for module in data["modules"]]
    known = set(paths)
    if len(known) < len(paths):
        twice = next(path for index, path in enumerate(paths) if path in paths[:index])
        raise Damaged(f"modules has {twice!r} twice")
    _expect(not data["root"] or data["root"] in known, data["root"], "root", "one of the modules")
    for index, (path, parent, _) in enumerate(data["scopes"]):
        _expect(path in known, path, f"scopes[{index}][0]", "one of the modules")
        _expect(-1 <= parent < index, parent, f"scopes[{index}][1]", "the index of an earlier scope, or -1")
    below = (len(data["operations"]), len(data["scopes"]), _PHASES)
    for index, call in enumerate(data["calls"]):
        fits = len(call) == len(below) and all(
            type(item) is int and 0 <= item < end for item, end in zip(call, below, strict=True)
        )
        _expect(fits, call, f"calls[{index}]", "an operation, a scope and a phase, as indices")
    _each(_STORAGE)(data.get("storages", []), "storages")
    for index, (kind, _, _, _, _, call, last, _, _) in enumerate(data.get("storages", [])):
        _expect(kind in KINDS, kind, f"storages[{index}][0]", f"one of {', '.join(KINDS)}")
        for place, at in ((5, call), (6, last)):
            fits = at is None or -1 <= at < len(data["calls"])
            _expect(fits, at, f"storages[{index}][{place}]", "the index of a call")
