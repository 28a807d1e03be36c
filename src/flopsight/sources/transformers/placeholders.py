"""Ids that stand for what an image or a clip of audio becomes: one for each of its features, amid the text."""

from __future__ import annotations

import inspect
import re
from typing import Any

from flopsight.errors import ModelError, NeedsValuesError
from flopsight.sources.transformers.facts import Facts
from flopsight.tracing.given.inputs import Spec, tensors_in
from flopsight.tracing.tracer import profile

_MODALITIES = (
    ("get_image_features", "pixel_values", ("image_token_id", "image_token_index"), 1),
    ("get_video_features", "pixel_values_videos", ("video_token_id", "video_token_index"), 2),
    ("get_audio_features", "input_features", ("audio_token_id", "audio_token_index"), 3),
    ("get_audio_features", "audio_input_ids", ("audio_token_id",), 3),
    ("get_audio_features", "input_values", ("audio_token_id", "audio_token_index"), 3),
)
"""What makes the features, from which argument, which id stands for one, and its type among `mm_token_type_ids`."""

_TEXT_ID = 5


def with_placeholders(facts: Facts, given: dict[str, Any]) -> dict[str, Any]:
    """The inputs with placeholders put between the tokens of the text, where a model finds its features by them.

    Raises: FlopsightError where a tower rejects its inputs.
    """
    if "input_ids" not in given:
        return given
    import torch

    batch, tokens = given["input_ids"].shape[0], given["input_ids"].shape[-1]
    runs = []
    for getter, argument, names, kind in _MODALITIES:
        token = _TEXT_ID if "image_embeds_position_mask" in facts.takes else facts.read(*names, of="text")
        if argument in given and token is not None and (count := _features(facts, getter, given)):
            runs.append((int(token), count // batch, kind))
    if not runs:
        return given
    text = torch.full((1,), _text_id(facts, {token for token, _, _ in runs}))
    parts = [text.repeat(tokens // 2)]
    types = [torch.zeros(tokens // 2, dtype=torch.int64)]
    for token, count, kind in runs:
        parts.append(torch.full((count,), token))
        types.append(torch.full((count,), kind))
    parts.append(text.repeat(tokens - tokens // 2))
    types.append(torch.zeros(tokens - tokens // 2, dtype=torch.int64))
    ids = torch.cat(parts).repeat(batch, 1)
    beside = {
        "mm_token_type_ids": torch.cat(types).repeat(batch, 1),
        "image_embeds_position_mask": torch.cat(types).repeat(batch, 1),
        "attention_mask": torch.ones_like(ids) if "feature_attention_mask" in given else None,
    }
    told = {name: value for name, value in beside.items() if name in facts.takes and value is not None}
    return {**given, "input_ids": ids, **told}


def _text_id(facts: Facts, taken: set[int]) -> int:
    """An id of the vocabulary that has no meaning of its own."""
    special = {value for name, value in vars(facts.config).items() if name.endswith(("_id", "_index"))}
    return next(number for number in range(_TEXT_ID, _TEXT_ID + 1000) if number not in special | taken)


def _features(facts: Facts, getter: str, given: dict[str, Any]) -> int | None:
    """How many features the model makes, found by making them without values; None where it takes values.

    A model without a method of its own for that has a fixed number, or puts all of them in the place of a single id.
    """
    makers = [module for module in facts.model.modules() if hasattr(module, getter)]
    if not makers:
        return facts.batch * int(facts.read("latent_query_num", default=1))
    make = getattr(makers[-1], getter)  # the innermost says what it takes
    takes = inspect.signature(make).parameters
    arguments = {name: value for name, value in given.items() if name in takes and name != "input_ids"}
    key = tuple(map(id, arguments.values()))
    if key not in facts.features:
        told = all(
            name in arguments for name, p in takes.items() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
        )
        count = _counted(make, arguments) if told else None
        facts.features[key] = count or _complained_of(facts.model, given)
    return facts.features[key]


def _counted(make: Any, arguments: dict[str, Any]) -> int | None:
    """The vectors that `make` returns, given the arguments as they are, or with all images as one batch."""
    counts: list[int] = []

    def call(**kwargs: Any) -> None:
        made = make(**kwargs)
        counts.append(sum(t.shape[:-1].numel() for t in tensors_in(getattr(made, "pooler_output", made))))

    flat = {name: _as_one_batch(value) for name, value in arguments.items()}
    try:
        try:
            profile(call, kwargs=arguments)
        except ModelError:
            if all(flat[name] is value for name, value in arguments.items()):
                raise
            profile(call, kwargs=flat)
    except NeedsValuesError:
        return None
    return counts[0]


def _as_one_batch(value: Any) -> Any:
    """[B, images, C, H, W] as [B*images, C, H, W]."""
    if isinstance(value, Spec) and len(value.shape) == 5:
        return Spec((value.shape[0] * value.shape[1], *value.shape[2:]), value.dtype)
    return value


def _complained_of(model: Any, given: dict[str, Any]) -> int | None:
    """The vectors that a model says it made, where it finds no ids for them."""
    try:
        profile(model, kwargs=given)
    except ModelError as error:
        if found := re.search(r"tokens: 0, features: (\d+)", str(error)):
            return int(found[1])
        raise
    return None
