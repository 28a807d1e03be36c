"""From what names a model to the model: a class, a file, a folder."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flopsight.errors import InputError, near
from flopsight.sources import Request
from flopsight.sources._constructor import read_configuration
from flopsight.sources._optional import require

_CONFIG, _PIPELINE = "config.json", "model_index.json"


def library() -> Any:
    """The module diffusers. Raises: MissingLibraryError."""
    return require("diffusers", use="A model named diffusers:...")


def names() -> list[str]:
    """Every class of model, but for those that belong to one pipeline."""
    models = library().models
    return sorted(name for name in dir(models) if _is_model(getattr(models, name, None)))


def _is_model(found: Any) -> bool:
    """Whether it is a class that is made from a configuration, and runs."""
    mixins = library().ModelMixin, library().ConfigMixin
    return isinstance(found, type) and all(issubclass(found, mixin) for mixin in mixins)


def model(request: Request) -> Any:
    """What the request names, without weights unless it is to be run. Raises: InputError."""
    library().logging.set_verbosity_error()
    path = _file(request.address)
    with warnings.catch_warnings():  # of what is to change in PyTorch and diffusers
        warnings.simplefilter("ignore", FutureWarning)
        return _from_class(request) if path is None else _from_file(request, path)


def _from_class(request: Request) -> Any:
    kind = _class(request.address, "diffusers has no model")
    try:
        return request.make(kind, **request.arguments)
    except InputError as error:
        if request.arguments:
            raise
        raise InputError(
            f"{error}. Not everything has a default: name a config.json, or give arguments, as in "
            f"'diffusers:{request.address}(in_channels=4)'."
        ) from error


def _from_file(request: Request, path: Path) -> Any:
    config = _read(path)
    kind = _class(config.get("_class_name"), f"{path} is the configuration of no model of diffusers, but of")
    known = inspect.signature(kind.__init__).parameters
    if unknown := [name for name in request.arguments if name not in known]:
        raise InputError(f"{kind.__name__} has no argument {unknown[0]!r}.{near(unknown[0], list(known))}")
    return request.make(kind.from_config, config={**config, **request.arguments})


def _class(name: Any, none: str) -> Any:
    found = getattr(library(), name, None) if isinstance(name, str) else None
    if not _is_model(found):
        raise InputError(f"{none} {name!r}.{near(str(name), names())}")
    return found


def _file(address: str) -> Path | None:
    """The configuration that an address names: itself, or in its folder."""
    path = Path(address)
    if address.endswith(".json"):
        return path
    if not path.is_dir():
        if "/" in address:
            raise InputError(
                f"There is no folder {address!r}. Nothing is downloaded: name a class, or the path of a config.json."
            )
        return None
    if (path / _CONFIG).is_file() or not (path / _PIPELINE).is_file():
        return path / _CONFIG
    parts = " and ".join(_parts(path)) or "none of its folders has a config.json"
    raise InputError(f"{address} is a pipeline, which is several models; name one of them: {parts}.")


def _parts(pipeline: Path) -> Iterator[str]:
    """How to name each model of a pipeline."""
    for path in sorted(pipeline.glob(f"*/{_CONFIG}")):
        source = "diffusers" if "_class_name" in _read(path) else "transformers"
        yield f"{source}:{path.parent}"


def _read(path: Path) -> dict[str, Any]:
    data = read_configuration(path)
    return data if isinstance(data, dict) else {}
