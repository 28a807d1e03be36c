"""Budgets as `pyproject.toml` has them: `[tool.flopsight.budget."net.py:Net"]`."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from flopsight import baselines
from flopsight.analysis import figures
from flopsight.cli import _model, _values
from flopsight.errors import InputError, MissingLibraryError, near
from flopsight.units import shortened

Value = TypeVar("Value")

FILE = "pyproject.toml"
_TABLES = ("tool", "flopsight", "budget")
_OWN = ("model", "baseline", "tolerance", "figures")


@dataclass(frozen=True)
class Budget:
    """A model and what it may cost.

    name: the key of its table. options: of the run, as those of the command line. limits: by figure. baseline: a file
    that says what it cost before; in these `figures` it may exceed that by `tolerance`, a part of it.
    """

    name: str
    options: argparse.Namespace
    limits: Mapping[str, int] = field(default_factory=dict)
    baseline: Path | None = None
    figures: tuple[str, ...] = ()
    tolerance: Fraction = Fraction(0)

    @property
    def unknown(self) -> int:
        """How many calls of unknown cost are allowed."""
        return self.limits.get(figures.UNKNOWN, 0)


def find(folder: Path) -> Path:
    """The nearest `pyproject.toml`, here or above. Raises: InputError."""
    for above in (folder, *folder.parents):
        if (above / FILE).is_file():
            return above / FILE
    raise InputError(f"There is no {FILE} in {folder} or above it; name the file that has the budgets: --config FILE")


def read(path: Path, names: list[str]) -> list[Budget]:
    """The budgets of a file, or those of these names. Raises: InputError, MissingLibraryError."""
    table: Any = _toml(path)
    for key in _TABLES:
        table = table.get(key, {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict) or not table:
        raise InputError(f'{path} has no budget. Write one as [tool.flopsight.budget."path/to/net.py:NAME"]')
    for name in names:
        if name not in table:
            raise InputError(f"{path} has no budget {name!r}.{near(name, list(table))}")
    return [_budget(name, given, path.parent) for name, given in table.items() if not names or name in names]


def _toml(path: Path) -> dict[str, Any]:
    try:
        toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            "Budgets need the library tomli before Python 3.11. Install it with: pip install 'flopsight[budget]'"
        ) from error
    try:
        read: dict[str, Any] = toml.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path} cannot be read: {reason}.") from error
    return read


class _Options(argparse.ArgumentParser):
    """The options of a run, where a mistake is in the file."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def _options() -> _Options:
    parser = _Options(add_help=False, allow_abbrev=False)
    _model.add_model(parser)
    parser.add_argument("--optimizer")
    return parser


def _budget(name: str, given: Any, folder: Path) -> Budget:
    parser = _options()
    known = {action.dest: action for action in parser._actions if action.option_strings}
    try:
        if not isinstance(given, dict):
            raise InputError("it is no table; write input, macs, ... below its name")
        limits = {key: _limit(key, value) for key, value in given.items() if key in figures.names()}
        for key in given:
            if key not in (*known, *_OWN, *limits):
                raise InputError(f"there is no {key!r}.{near(key, [*known, *_OWN, *figures.names()])}")
        words = [word for key in given if key in known for word in _words(key, given[key], known[key])]
        options = parser.parse_args([*words, "--", _text("model", given.get("model", name))])
        baseline = None if "baseline" not in given else folder / _text("baseline", given["baseline"])
        for key in ("tolerance", "figures"):
            if baseline is None and key in given:
                raise InputError(f"{key} is of a baseline, and there is none; name its file: baseline = 'costs.json'")
        if not baseline and not limits:
            raise InputError("it has no limit; give one: macs = '4.1G', or baseline = 'costs.json'")
        tolerance = _read("tolerance", str(given.get("tolerance", "0%")), _values.percentage)
        held = _figures(given.get("figures", list(baselines.FIGURES))) if baseline else ()
        options.follow_memory = figures.PEAK in (*limits, *held)
        _model.check(options)
    except InputError as error:
        raise InputError(f"The budget {shortened(name)!r}: {error}") from error
    return Budget(name, options, limits, baseline, held, tolerance)


def _figures(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not names:
        raise InputError(f"figures is {shortened(repr(names))}; write a list of names: ['macs', 'peak']")
    for name in names:
        figures.check(str(name))
    return tuple(names)


def _limit(key: str, value: Any) -> int:
    """A limit as a number, or as text with a prefix. Raises: InputError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"{key} is {shortened(repr(value))}; write a number, or text as '4.1G'")
    text = str(value) if not isinstance(value, float) else f"{value:.0f}" if value.is_integer() else repr(value)
    if key == figures.PEAK and text != "0":
        return _read(key, text, _values.nbytes)
    return _read(key, text, _values.amount)


def _read(key: str, text: str, reader: Callable[[str], Value]) -> Value:
    try:
        return reader(text)
    except argparse.ArgumentTypeError as error:
        raise InputError(f"{key}: {error}") from error


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{key} is {shortened(repr(value))}; write text")
    return value


def _words(key: str, value: Any, action: argparse.Action) -> list[str]:
    """A key and its value as the command line has them. Raises: InputError."""
    option = action.option_strings[0]
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise InputError(f"{key} is {shortened(repr(value))}; write true or false")
        return [option] * value
    if isinstance(value, dict):
        return [f"{option}={json.dumps(value)}"]
    values = value if isinstance(value, list) else [value]
    if any(isinstance(each, bool | list | dict) for each in values):
        raise InputError(f"{key} is {shortened(repr(value))}; write it as on the command line, as text")
    return [f"{option}={each}" for each in values]
