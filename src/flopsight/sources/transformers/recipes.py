"""What to call a model of transformers with: a tensor for each thing it reads, by the names of forward's arguments.

A recipe makes one argument, from the configuration and the sizes asked for. Which of them a model gets follows from its
forward: all that it takes and that there is a recipe for, so that no tower is left out; those in `IF_NEEDED` only
where it cannot be called without, or reads it first. Where a recipe leaves the layout open, the model decides: the
first is taken that it runs on, without computing anything.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any

from flopsight.errors import FlopsightError, NeedsValuesError, StandInWarning
from flopsight.sources import Sizes
from flopsight.sources._layouts import Layouts
from flopsight.sources.transformers.facts import Facts
from flopsight.sources.transformers.others import OTHERS
from flopsight.sources.transformers.parts import PARTS_INPUTS
from flopsight.sources.transformers.pixels import PIXELS
from flopsight.sources.transformers.placeholders import with_placeholders
from flopsight.sources.transformers.sound import SOUND
from flopsight.sources.transformers.text import TEXT
from flopsight.tracing.given.inputs import Plain
from flopsight.tracing.tracer import profile

RECIPES = {**TEXT, **SOUND, **PIXELS, **OTHERS, **PARTS_INPUTS}
MADE_BEFORE = {"inputs_embeds", *PARTS_INPUTS} - {"attention_mask"}
"""What other parts of a model make: for those parts of it alone that read nothing else."""
IF_NEEDED = MADE_BEFORE | {
    "hidden_states", "input_values", "pixel_values_videos", "decoder_input_ids", "actions", "image", "mask",
    "attention_mask",
}  # fmt: skip
BESIDE = {
    "spatial_shapes": {"pixel_values", "vision_features"},
    "actions": {"states"},
    "input_values": {"padding_mask_videos"},
    "encoder_hidden_states": {"query_embeds"},
    "patch_ids": {"patch_embeds"},
    "num_patches": {"patch_embeds"},
    "vision_pos_embeds": {"vision_features"},
    "prompt_features": {"decoder_queries"},
    "last_hidden_state": {"input_ids"},
    "image_token_pooling": {"pixel_values"},
    "image_grids": {"pixel_values"},
}
"""What makes an argument needed that a model can be called without: one of these beside it."""

USUAL: dict[str, list[Any]] = {
    "image": [(side, side) for side in (224, 336, 448, 490, 512, 640, 1024, 1120, 1536)],
    "audio_s": [10.0, 1.0, 1.2],
}
"""Sizes that models are made for, where the configuration does not say."""

MANY = 32
FEW = {"image": 4, "audio_s": 20}
"""How many combinations of layouts are tried at the first size, and at each of the usual ones."""


@dataclass(frozen=True)
class Inputs:
    """Arguments by name, whether these are all that the model needs, whether it runs on them, and the sizes used."""

    kwargs: dict[str, Any]
    complete: bool
    runs: bool
    used: frozenset[str]


def inputs(model: Any, sizes: Sizes) -> Inputs:
    """An input for each thing the model reads.

    Images and clips are as large as the configuration says; where the model rejects that and the user set nothing, of
    the first usual size that it takes.
    """
    first = _made(Facts(model, sizes))
    may_be_part = not first.runs and first.kwargs.keys() <= MADE_BEFORE | {"input_ids"}
    if may_be_part and (part := _made(Facts(model, sizes), part=True)).runs:
        return part
    if not first.complete or first.runs or any(name.endswith("grid_thw") for name in first.kwargs):
        return first  # patches with a grid are of any size
    for size in USUAL:
        if size in first.used and getattr(sizes, size) is None:
            for value in USUAL[size]:
                other = _made(Facts(model, replace(sizes, **{size: value})), most=FEW[size])
                if other.runs:
                    return other
    return first


def _made(facts: Facts, *, most: int = MANY, part: bool = False) -> Inputs:
    """The inputs, in one of up to so many combinations of layouts.

    part: with what another part of the model makes, in place of ids.
    """
    wanted = [name for name in facts.takes if _wanted(facts, name, part=part)]
    made = {name: RECIPES[name](facts) for name in wanted if name in RECIPES}
    known = {name: value for name, value in made.items() if value is not None}
    complete = bool(known) and all(name in known for name in wanted if facts.needs(name))
    among = list(islice(_among(known), most))
    alone = complete and len(among) == 1 and not facts.used & USUAL.keys() and _looks_up_ids(facts.model)
    kwargs, runs = (among[0], complete) if alone or not complete else _fitting(facts, among)
    return Inputs(kwargs, complete, runs, frozenset(facts.used))


def _fitting(facts: Facts, among: list[dict[str, Any]]) -> tuple[dict[str, Any], bool]:
    """The first inputs that the model runs on, or runs on until it asks for values; else the first, and False."""
    asking, rejected = None, None
    with_values = [layouts for layouts in among if any(isinstance(value, Plain) for value in layouts.values())]
    for layouts in among:
        if asking and not any(layouts is known for known in with_values):
            continue  # only values can help
        given = layouts
        try:
            given = with_placeholders(facts, layouts)
            with warnings.catch_warnings():  # what a trial leaves behind, its error may hold
                warnings.simplefilter("ignore", StandInWarning)
                profile(facts.model, kwargs=given)
        except NeedsValuesError:
            asking = asking or given
        except FlopsightError:
            rejected = rejected or given
        else:
            return given, True
    if asking and not with_values:
        return asking, True
    return rejected or asking or among[0], False


def _looks_up_ids(model: Any) -> bool:
    """Whether a model says that it has a table of vectors; one without may read vectors in place of ids."""
    from torch import nn

    try:
        return isinstance(model.get_input_embeddings(), nn.Embedding)
    except (AttributeError, NotImplementedError):
        return False


def _wanted(facts: Facts, name: str, *, part: bool) -> bool:
    """Whether the model is given an argument, if there is a recipe."""
    if part and name in MADE_BEFORE:
        return True
    if part and name == "input_ids" and "inputs_embeds" in facts.takes:
        return False
    if facts.needs(name):
        return True
    if name not in RECIPES or (name in PIXELS and facts.lacks("vision")) or (name in SOUND and facts.lacks("audio")):
        return False
    if name == "decoder_input_ids":
        return bool(getattr(facts.config, "is_encoder_decoder", False))
    if name == "pixel_values_videos":
        return not {"pixel_values", "pixel_values_images"} & set(facts.takes)
    return name not in IF_NEEDED or bool(BESIDE.get(name, set()) & facts.takes.keys())


def _among(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every way to choose a layout for each argument, the usual ones first."""
    layouts = [value.among if isinstance(value, Layouts) else (value,) for value in given.values()]
    for chosen in product(*layouts):
        yield {name: value for name, value in zip(given, chosen, strict=True) if value is not None}
