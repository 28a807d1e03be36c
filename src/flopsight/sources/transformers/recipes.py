"""What to call a model of transformers with: a tensor for each thing it reads, by the names of forward's arguments.

A recipe makes one argument, from the configuration and the sizes asked for. Which of them a model gets follows from its
forward: all that it takes and that there is a recipe for, so that no tower is left out; those in `IF_NEEDED` only
where it cannot be called without, or reads it first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from flopsight.errors import FlopsightError, NeedsValuesError
from flopsight.sources import Sizes
from flopsight.sources.transformers.facts import Facts
from flopsight.sources.transformers.layouts import Layouts
from flopsight.sources.transformers.others import OTHERS
from flopsight.sources.transformers.pixels import PIXELS
from flopsight.sources.transformers.placeholders import with_placeholders
from flopsight.sources.transformers.sound import SOUND
from flopsight.sources.transformers.text import TEXT

RECIPES = {**TEXT, **SOUND, **OTHERS, **PIXELS}
IF_NEEDED = {
    "inputs_embeds", "hidden_states", "encoder_hidden_states", "input_values", "pixel_values_videos",
    "decoder_input_ids",
}  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """Arguments by name, whether these are all that the model needs, and the sizes that went into them."""

    kwargs: dict[str, Any]
    complete: bool
    used: frozenset[str]


def inputs(model: Any, sizes: Sizes) -> Inputs:
    """An input for each thing the model reads."""
    facts = Facts(model, sizes)
    wanted = [name for name in facts.takes if _wanted(facts, name)]
    made = {name: RECIPES[name](facts) for name in wanted if name in RECIPES}
    known = {name: value for name, value in made.items() if value is not None}
    complete = bool(wanted) and len(known) == len(wanted)
    return Inputs(_settled(facts, known, try_out=complete), complete, frozenset(facts.used))


def _wanted(facts: Facts, name: str) -> bool:
    if facts.needs(name):
        return True
    if name == "decoder_input_ids":
        return bool(getattr(facts.config, "is_encoder_decoder", False))
    if name == "pixel_values_videos":
        return not {"pixel_values", "pixel_values_images"} & set(facts.takes)
    return name in RECIPES and name not in IF_NEEDED


def _settled(facts: Facts, given: dict[str, Any], *, try_out: bool) -> dict[str, Any]:
    """The inputs in the first layouts that the model runs on, with its placeholders among the ids."""
    among = list(_among(given))
    if len(among) == 1 or not try_out:
        return with_placeholders(facts, among[0])
    settled = (with_placeholders(facts, layouts) for layouts in among)
    return next((layouts for layouts in settled if _runs(facts.model, layouts)), None) or with_placeholders(
        facts, among[0]
    )


def _among(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    layouts = [value.among if isinstance(value, Layouts) else (value,) for value in given.values()]
    return (dict(zip(given, chosen, strict=True)) for chosen in product(*layouts))


def _runs(model: Any, kwargs: dict[str, Any]) -> bool:
    from flopsight.tracing.tracer import profile

    try:
        profile(model, kwargs=kwargs)
    except NeedsValuesError:
        return True  # the model took its inputs
    except FlopsightError:
        return False
    return True
