"""From what names a model to its configuration: a type, a class, a file, a folder, a model in the hub's local cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flopsight.errors import InputError, near
from flopsight.sources import Request
from flopsight.sources._constructor import read_configuration
from flopsight.sources._optional import require


def library() -> Any:
    """The module transformers. Raises: MissingLibraryError."""
    return require("transformers", use="A model named transformers:...")


def names() -> list[str]:
    """Every model type transformers registers."""
    return list(library().CONFIG_MAPPING.keys())


def configuration(request: Request) -> tuple[Any, Any]:
    """The configuration, and the class of model that the address names, if it names one. Raises: InputError."""
    transformers, address = library(), request.address
    path = _file(address)
    if path is not None:
        return _from_file(transformers, request, path)
    if address in transformers.CONFIG_MAPPING:
        return request.make(transformers.CONFIG_MAPPING[address], **request.arguments), None
    found = _class(transformers, address)
    if issubclass(found, transformers.PreTrainedConfig):
        return request.make(found, **request.arguments), None
    return request.make(found.config_class, **request.arguments), found


def _file(address: str) -> Path | None:
    """The configuration file that an address names: itself, in its folder, or in the hub's local cache."""
    if address.endswith(".json"):
        return Path(address)
    if Path(address).is_dir():
        return Path(address) / "config.json"
    if "/" not in address:
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(address, "config.json")
    except HFValidationError:
        cached = None
    if not isinstance(cached, str):
        raise InputError(
            f"There is no folder {address!r}, and no model of that name in the local cache of the Hugging Face hub. "
            f"flopsight downloads nothing: fetch its config.json with `hf download {address} config.json`, or give the "
            "path of one."
        )
    return Path(cached)


def _class(transformers: Any, name: str) -> Any:
    """The class of that name, of a configuration or of a model."""
    found = getattr(transformers, name, None)
    if not hasattr(found, "config_class") and not hasattr(found, "model_type"):
        raise InputError(f"transformers has no model type or class {name!r}.{near(name, names())}")
    return found


def _from_file(transformers: Any, request: Request, path: Path) -> tuple[Any, Any]:
    data = read_configuration(path)
    known = transformers.CONFIG_MAPPING
    model_type = str(data.pop("model_type", None)) if isinstance(data, dict) else "None"
    if model_type not in known:
        if isinstance(data, dict) and "auto_map" in data:
            raise InputError(
                f"The model of {path} is made by code that lies beside its weights (auto_map), which flopsight does "
                "not run. Import it yourself and pass the model to flopsight.profile."
            )
        raise InputError(f"The configuration {path} has the model_type {model_type!r}.{near(model_type, names())}")
    config = request.make(known[model_type], **{**data, **request.arguments})
    named = [getattr(transformers, name, None) for name in data.get("architectures") or ()]
    return config, named[0] if named and named[0] else None
