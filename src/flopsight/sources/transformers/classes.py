"""Which class makes a model: by the task asked for, else the one that generates, else the base model."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

from flopsight.errors import InputError, near
from flopsight.sources.transformers.configs import library

GENERATING = ("seq-to-seq-causal-lm", "speech-seq-2-seq", "multimodal-lm", "causal-lm")
FAMILIES = {
    "seq2seq": GENERATING[:2],
    "classification": (
        "sequence-classification", "image-classification", "audio-classification", "video-classification",
        "time-series-classification",
    ),
    "detection": ("object-detection", "zero-shot-object-detection"),
    "segmentation": (
        "universal-segmentation", "instance-segmentation", "semantic-segmentation", "image-segmentation",
        "mask-generation",
    ),
}  # fmt: skip
"""Names for several tasks of transformers: a type has one of them."""


def tasks() -> dict[str, dict[str, Any]]:
    """The tasks that transformers has classes for, each with the class's name by model type."""
    auto = vars(library().models.auto.modeling_auto)
    start, end = "MODEL_FOR_", "_MAPPING_NAMES"
    mappings = {name: auto[name] for name in auto if name.startswith(start) and name.endswith(end)}
    return {name[len(start) : -len(end)].lower().replace("_", "-"): dict(found) for name, found in mappings.items()}


def model_class(config: Any, task: str | None) -> Any:
    """What makes a model of the configuration. Raises: InputError for a task that the type has no class for."""
    if task is None:
        return _usual(config) or _base(config)
    if task == "base":
        return _base(config)
    known = tasks()
    if task not in known and task not in FAMILIES:
        raise InputError(f"There is no task {task!r}.{near(task, ['base', *FAMILIES, *known])}")
    for name in FAMILIES.get(task, (task,)):
        if found := next(_classes(known[name], config), None):
            return found
    own = [name for name in known if next(_classes(known[name], config), None)]
    has = f"It has {', '.join(own)} and base." if own else "It has the base model only."
    raise InputError(f"transformers has no class for the task {task!r} and the model type {config.model_type!r}. {has}")


def _classes(mapping: dict[str, Any], config: Any) -> Iterator[Any]:
    """The classes of a task that are made from this very configuration."""
    named = mapping.get(config.model_type, ())
    for name in (named,) if isinstance(named, str) else named:
        found = getattr(library(), name, None)
        if isinstance(config, getattr(found, "config_class", None) or ()):
            yield found


def _usual(config: Any) -> Any:
    """The class that generates, for model types made to generate."""
    known = tasks()
    for task in GENERATING:
        fills_gaps = task == "causal-lm" and config.model_type in known["masked-lm"]
        if not fills_gaps and (found := next(_classes(known[task], config), None)):
            return found
    return None


def _base(config: Any) -> Any:
    """What makes the base model: AutoModel, or for a type that it does not know, as parts of models are, the class of
    its name beside the configuration, else the last there that takes it: parts come before the whole.
    """
    from torch import nn

    transformers, kind = library(), type(config)
    if kind in transformers.MODEL_MAPPING:
        return transformers.AutoModel.from_config
    name = kind.__module__.replace("configuration_", "modeling_")
    beside = vars(importlib.import_module(name)).values() if importlib.util.find_spec(name) else ()
    classes: list[Any] = [found for found in beside if isinstance(found, type)]
    models = [found for found in classes if issubclass(found, transformers.PreTrainedModel)]
    takers = [model for model in models if model.config_class is kind and model.forward is not nn.Module.forward]
    if not takers:
        raise InputError(f"transformers has no model that runs on a {kind.__name__} alone; name the class of a model.")
    named = kind.__name__.removesuffix("Config") + "Model"
    return next((model for model in takers if model.__name__ == named), takers[-1])


def refuse_without_forward(model: Any) -> None:
    """Refuse a model that is run by other methods, and name the parts of it that have types. Raises: InputError."""
    from torch import nn

    if type(model).forward is not nn.Module.forward:
        return
    known = library().CONFIG_MAPPING
    parts = [part.model_type for part in vars(model.config).values() if getattr(part, "model_type", None) in known]
    named = f"name one of its parts ({', '.join(f'transformers:{part}' for part in parts)}), or " if parts else ""
    raise InputError(
        f"{type(model).__name__} has no forward, for it is run by other methods, as generate or encode are; {named}"
        "profile one of them in Python: flopsight.profile(model.generate, ...)."
    )
