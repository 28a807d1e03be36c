"""`path/to/net.py:NAME` and `package.module:NAME`: a model of the user's own.

NAME is a class or a function without required arguments, which is called to make the model; a module, taken as it is;
or a function with required arguments, which is itself what is measured.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from flopsight.errors import InputError, near
from flopsight.sources import Request, Source, Workload
from flopsight.sources._constructor import required
from flopsight.sources._optional import missing


def _claims(text: str) -> bool:
    location, _, name = text.partition(":")
    return location.endswith(".py") or (bool(name) and all(part.isidentifier() for part in location.split(".")))


def build(request: Request) -> Workload:
    """The model that a file or a package defines; its inputs are for the user to give."""
    request.refuse_unused(())
    location, _, name = request.address.rpartition(":") if ":" in request.address else (request.address, "", "")
    module = _from_file(Path(location)) if location.endswith(".py") else _from_package(location)
    found = _attribute(module, name or _only_model(module, location), location)
    model = found.train(request.train) if _is_module(found) else _made(found, request)
    return Workload(model, _no_inputs(model), {}, request.address)


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        beside = [str(other) for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise InputError(f"There is no file {path}.{near(str(path), beside)}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    previous = sys.modules.get(path.stem)
    sys.modules[path.stem] = module
    try:
        _run(lambda: spec.loader.exec_module(module), str(path))  # type: ignore[union-attr]
    except BaseException:
        if previous is None:
            del sys.modules[path.stem]
        else:
            sys.modules[path.stem] = previous
        raise
    return module


def _from_package(name: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise InputError(f"There is no module {name!r} to import. Write package.module:NAME or path/to/net.py:NAME.")
    _run(lambda: importlib.import_module(name), name)
    return sys.modules[name]


def _run(load: Callable[[], Any], location: str) -> None:
    try:
        load()
    except ModuleNotFoundError as error:
        raise missing(error, location) from error
    except Exception as error:
        line = error.lineno if isinstance(error, SyntaxError) else _line(error, location)
        where = f"{location}, line {line}" if line else location
        raise InputError(f"{where} raised {type(error).__name__} when imported: {error}") from error


def _line(error: BaseException, location: str) -> int | None:
    """The line of the user's file that raised, innermost."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(location):
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def _is_module(value: Any) -> bool:
    from torch import nn

    return isinstance(value, nn.Module)


def _is_module_class(value: Any) -> bool:
    from torch import nn

    return inspect.isclass(value) and issubclass(value, nn.Module)


def _public(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]


def _only_model(module: ModuleType, location: str) -> str:
    """The name of the one model a file defines."""
    models = [
        name
        for name, value in vars(module).items()
        if _is_module(value) or (_is_module_class(value) and value.__module__ == module.__name__)
    ]
    if len(models) != 1:
        found = f"defines {', '.join(models)}" if models else "defines no torch.nn.Module"
        raise InputError(f"{location} {found}; say which to measure: {location}:NAME")
    return models[0]


def _attribute(module: ModuleType, name: str, location: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(f"{location} has no {name!r}.{near(name, _public(module))}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{location}:{name} is a {type(found).__name__}, not a model, a class or a function.")
    return found


def _made(found: Callable[..., Any], request: Request) -> Any:
    needed = [name for name in required(found) if name not in request.arguments]
    if needed and not inspect.isclass(found):
        return found
    if needed:
        raise InputError(
            f"{request.address} needs {', '.join(needed)}; give them in parentheses, as in "
            f"'{request.address}({needed[0]}=...)'."
        )
    model = request.make(found, **request.arguments)
    if not callable(model):
        raise InputError(f"{request.address} returned a {type(model).__name__}, not a model.")
    return model


def _no_inputs(model: Any) -> tuple[Any, ...] | None:
    """No arguments where the model takes none; None where it needs some."""
    return None if required(model.forward if _is_module(model) else model) else ()


SOURCE = Source(
    "", "path/to/net.py:NAME or package.module:NAME", "a class, function or module of your own", build, claims=_claims
)
