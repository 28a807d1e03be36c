"""`transformers:NAME`: the models of transformers, built from a configuration; nothing is downloaded.

NAME is a model type (`bert`, `llama`), a class of model or configuration (`GPT2LMHeadModel`, `BertConfig`), or the path
of a `config.json`. Constructor arguments are those of the configuration: `transformers:llama(num_hidden_layers=2)`.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
from pathlib import Path
from typing import Any

from flopsight.errors import InputError, near
from flopsight.sources import Request, Source, Workload
from flopsight.sources._optional import require

TOKENS = 128
AUDIO_SAMPLES = 16_000
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _transformers() -> Any:
    return require("transformers", use="A model named transformers:...")


def names() -> list[str]:
    """Every model type transformers registers."""
    return list(_transformers().CONFIG_MAPPING.keys())


def build(request: Request) -> Workload:
    """The model, with random tokens, an image or audio for what its forward takes."""
    transformers = _transformers()
    transformers.logging.set_verbosity_error()
    config, kind = _configuration(transformers, request)
    model = request.make(kind or _base_class(transformers, config), config=config)
    inputs = _inputs(model)
    known = {name: spec for name, spec in inputs.items() if spec is not None}
    return Workload(model, () if inputs and len(known) == len(inputs) else None, known, request.address)


def _configuration(transformers: Any, request: Request) -> tuple[Any, Any]:
    """The configuration, and the model class, or None for the configuration's base model."""
    if request.address.endswith(".json"):
        return _from_file(transformers, request)
    if request.address in transformers.CONFIG_MAPPING:
        config = request.make(transformers.CONFIG_MAPPING[request.address], **request.arguments)
        return config, _usual_class(transformers, request.address)
    found = _class(transformers, request.address)
    if issubclass(found, transformers.PreTrainedConfig):
        return request.make(found, **request.arguments), _usual_class(transformers, found.model_type)
    return request.make(found.config_class, **request.arguments), found


def _class(transformers: Any, name: str) -> Any:
    """The class of that name, of a configuration or of a model."""
    found = getattr(transformers, name, None)
    if not hasattr(found, "config_class") and not hasattr(found, "model_type"):
        raise InputError(f"transformers has no model type or class {name!r}.{near(name, names())}")
    return found


def _from_file(transformers: Any, request: Request) -> tuple[Any, Any]:
    path = Path(request.address)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The configuration {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"The configuration {path} is not JSON: {error}.") from error
    known = transformers.CONFIG_MAPPING
    model_type = str(data.pop("model_type", None)) if isinstance(data, dict) else "None"
    if model_type not in known:
        raise InputError(f"The configuration {path} has the model_type {model_type!r}.{near(model_type, names())}")
    config = request.make(known[model_type], **{**data, **request.arguments})
    named = [getattr(transformers, name, None) for name in data.get("architectures") or ()]
    return config, named[0] if named and named[0] else _usual_class(transformers, model_type)


def _usual_class(transformers: Any, model_type: str) -> Any:
    """The class that generates, for model types made to generate; None, the base model, for all others."""
    auto = transformers.models.auto.modeling_auto
    generates = model_type not in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    for mapping in (
        auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
        auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES if generates else {},
    ):
        if model_type in mapping:
            return getattr(transformers, mapping[model_type])
    return None


def _base_class(transformers: Any, config: Any) -> Any:
    """What makes the base model: AutoModel, or for a type that it does not know, as parts of models are, the class of
    its name beside the configuration, else the last there that takes it: parts come before the whole.
    """
    from torch import nn

    kind = type(config)
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


def _inputs(model: Any) -> dict[str, Any]:
    """An input for each thing the model reads, None where its shape is not known.

    That is its main one, whatever else it cannot be called without, a decoder's tokens, both sides of a contrastive
    model.
    """
    takes = inspect.signature(model.forward).parameters
    wanted = {name for name, parameter in takes.items() if parameter.default is parameter.empty}
    wanted -= {name for name, parameter in takes.items() if parameter.kind in _VARIADIC}
    main = model.main_input_name
    wanted |= {main} if isinstance(main, str) else set(main)
    if getattr(model.config, "is_encoder_decoder", False) and "decoder_input_ids" in takes:
        wanted.add("decoder_input_ids")
    if "return_loss" in takes and "pixel_values" in takes:
        wanted |= {"input_ids", "pixel_values"}
    return {name: _input(name, model.config) for name in takes if name in wanted}


def _input(name: str, config: Any) -> Any:
    from flopsight.tracing.inputs import spec

    if name.endswith("input_ids"):
        text = getattr(config, "text_config", None) or config
        most = getattr(text, "max_position_embeddings", None) or TOKENS
        return spec(1, min(TOKENS, most) if most > 0 else TOKENS, dtype="int64")
    if name == "pixel_values":
        vision = getattr(config, "vision_config", None) or config
        size = getattr(vision, "image_size", None) or 224
        height, width = (size, size) if isinstance(size, int) else tuple(size)[-2:]
        return spec(1, getattr(vision, "num_channels", None) or 3, height, width)
    if name == "input_features" and hasattr(config, "num_mel_bins"):
        return spec(1, config.num_mel_bins, 2 * getattr(config, "max_source_positions", 1500))
    if name == "input_values":
        channels = getattr(config, "audio_channels", None)
        return spec(1, AUDIO_SAMPLES) if channels is None else spec(1, channels, AUDIO_SAMPLES)
    return None


SOURCE = Source(
    "transformers",
    "transformers:NAME",
    "a model type, class or config.json of transformers",
    build,
    names=names,
    aliases=("hf", "huggingface"),
)
