"""Models for the tools' command lines: a torchvision name, a class in a file, a line in a file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flopsight.errors import FlopsightError, InputError, near
from flopsight.sources.torchvision_operators import torchvision_importable


def load_torchvision(name: str, arguments: Mapping[str, Any]) -> Any:
    """The model of that name in `torchvision.models`; None where there is none, or no torchvision."""
    try:
        with torchvision_importable():
            import torchvision.models as models  # type: ignore[import-untyped]
    except ImportError:
        return None
    make = getattr(models, name, None)
    return make(**arguments) if callable(make) else None


def _namespace(path: str) -> dict[str, Any]:
    """What the file at `path` defines; files beside it can be imported by it. Raises: InputError."""
    file = Path(path)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise InputError(f"There is no Python file {path}.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.resolve().parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return vars(module)


def load_class(path: str, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
    """What `name(**arguments)` of the file makes. Raises: InputError with near matches."""
    names = _namespace(path)
    if name not in names:
        raise InputError(f"{path} defines no {name!r}.{near(name, list(names))}")
    return names[name](**(arguments or {}))


def load_line(path: str, number: int) -> Any:
    """What the right-hand side of `net = MyModel(...)` in that line of the file makes. Raises: InputError."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    if "=" not in line:
        raise InputError(
            f"Line {number} of {path} is {line!r}; give the number of a line like 'net = MyModel(depth=3)'."
        )
    return eval(line.partition("=")[2], _namespace(path))


def command(tool: str, main: Callable[[], None]) -> int:
    """Run a command line; what is wrong with it is one sentence and the exit code 2."""
    try:
        main()
    except (FlopsightError, AssertionError, ValueError) as error:
        print(f"{tool}: {error}", file=sys.stderr)
        return 2
    return 0
