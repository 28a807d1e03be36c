"""`torchaudio:NAME`: the models of torchaudio, on a second of sound.

NAME is a function or class of `torchaudio.models` (`wav2vec2_base`, `hdemucs_high`, `Tacotron2`); constructor arguments
are its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from flopsight.errors import InputError, near
from flopsight.sources import Request, Source, Workload
from flopsight.sources._constructor import refuse_missing, required
from flopsight.sources._optional import require

RATE = 16_000
MUSIC_RATE = 44_100
"""Samples of speech and of music in a second."""

MEL_HOP = 160
TOKENS = 128

_USUAL = {"sources": ["drums", "bass", "other", "vocals"], "num_symbols": 4097}
"""Constructor arguments without a default, as in torchaudio's published pipelines."""


def _speech(model: Any, batch: int, seconds: float) -> tuple[Any, ...]:
    return ((batch, round(RATE * seconds)),)


def _one_channel(model: Any, batch: int, seconds: float) -> tuple[Any, ...]:
    return ((batch, 1, round(RATE * seconds)),)


def _music(model: Any, batch: int, seconds: float) -> tuple[Any, ...]:
    return ((batch, model.audio_channels, round(MUSIC_RATE * seconds)),)


def _with_reference(model: Any, batch: int, seconds: float) -> tuple[Any, ...]:
    return _speech(model, batch, seconds) * 2


def _with_labels(model: Any, batch: int, seconds: float) -> tuple[Any, ...]:
    """Sound, and a label for each of its frames."""
    from flopsight.tracing.given.inputs import spec

    frames = round(RATE * seconds)
    for layer in model.wav2vec2.feature_extractor.conv_layers:
        frames = (frames - layer.kernel_size) // layer.stride + 1
    return *_speech(model, batch, seconds), spec(batch, frames, dtype="int64")


def _text_to_spectrogram(model: Any, batch: int, seconds: float) -> tuple[Any, ...]:
    import torch

    from flopsight.tracing.given.inputs import spec

    frames = round(RATE * seconds / MEL_HOP)
    lengths = torch.full((batch,), TOKENS), torch.full((batch,), frames)
    return spec(batch, TOKENS, dtype="int64"), lengths[0], (batch, model.n_mels, frames), lengths[1]


def _transducer(model: Any, batch: int, seconds: float) -> tuple[Any, ...]:
    import torch

    from flopsight.tracing.given.inputs import spec

    transcriber = model.transcriber
    stride = transcriber.time_reduction.stride
    frames = round(RATE * seconds / MEL_HOP) // stride * stride
    right = transcriber.transformer.right_context_length * stride
    sound = (batch, frames + right, transcriber.input_linear.in_features)
    lengths = torch.full((batch,), frames, dtype=torch.int32), torch.full((batch,), TOKENS, dtype=torch.int32)
    return sound, lengths[0], spec(batch, TOKENS, dtype="int32"), lengths[1]


_INPUTS: dict[str, Callable[[Any, int, float], tuple[Any, ...]]] = {
    "Wav2Vec2Model": _speech,
    "SquimObjective": _speech,
    "SquimSubjective": _with_reference,
    "HuBERTPretrainModel": _with_labels,
    "ConvTasNet": _one_channel,
    "Wav2Letter": _one_channel,
    "HDemucs": _music,
    "Tacotron2": _text_to_spectrogram,
    "RNNT": _transducer,
}
"""What each class of model takes, for a batch and seconds of sound."""


def _models() -> Any:
    return require("torchaudio", use="A model named torchaudio:...").models


def _missing(found: Any, arguments: Mapping[str, Any]) -> list[str]:
    return [name for name in required(found) if name not in arguments and name not in _USUAL]


def names() -> list[str]:
    """Every function and class that makes a model from nothing."""
    models = vars(_models())
    return sorted(name for name, found in models.items() if _makes_model(found) and not _missing(found, {}))


def _makes_model(found: Any) -> bool:
    from torch import nn

    return inspect.isfunction(found) or (inspect.isclass(found) and issubclass(found, nn.Module))


def build(request: Request) -> Workload:
    """The model, with the sound or text that its class takes."""
    found = getattr(_models(), request.address, None)
    if found is None or not _makes_model(found):
        raise InputError(f"torchaudio has no model {request.address!r}.{near(request.address, names())}")
    refuse_missing("torchaudio", request.address, _missing(found, request.arguments))
    request.refuse_unused({"batch", "audio_s"})
    usual = {name: value for name, value in _USUAL.items() if name in inspect.signature(found).parameters}
    model = request.make(found, **{**usual, **request.arguments})
    inputs = _INPUTS.get(type(model).__name__)
    args = inputs(model, request.sizes.batch or 1, request.sizes.audio_s or 1.0) if inputs else None
    return Workload(model, args, {}, request.address)


SOURCE = Source("torchaudio", "torchaudio:NAME", "a model of torchaudio", build, names=names, aliases=("ta",))
