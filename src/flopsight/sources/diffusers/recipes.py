"""What to call a model of diffusers with: a tensor for each thing it reads, by the names of forward's arguments.

A recipe makes one argument, from the configuration and the sizes asked for; it gives None where the configuration says
that the model does not read it. Where a recipe leaves the layout open, the model decides: the first is taken that it
runs on, without computing anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from flopsight.errors import FlopsightError, NeedsValuesError
from flopsight.sources import Sizes
from flopsight.sources._layouts import Layouts
from flopsight.sources.diffusers.conditions import CONDITIONS
from flopsight.sources.diffusers.facts import Facts
from flopsight.sources.diffusers.latents import LATENTS
from flopsight.sources.diffusers.places import PLACES
from flopsight.tracing.tracer import profile

RECIPES = {**LATENTS, **PLACES, **CONDITIONS}
AT_LAST = {
    "encoder_attention_mask",
    "encoder_hidden_states_mask",
    "mask",
    "padding_mask",
    "condition_mask",
    "conditioning_mask",
}
"""Given only where the model does not run without."""


@dataclass(frozen=True)
class Inputs:
    """Arguments by name, whether these are all that the model needs, and the sizes used."""

    kwargs: dict[str, Any]
    complete: bool
    used: frozenset[str]


def inputs(model: Any, sizes: Sizes) -> Inputs:
    """An input for each thing that the model reads."""
    facts = Facts(model, sizes)
    made = {name: RECIPES[name](facts) for name in facts.takes if name in RECIPES}
    known = {name: value for name, value in made.items() if value is not None}
    complete = bool(known) and all(name in known for name in facts.takes if facts.needs(name))
    among = list(_among(facts, known))
    return Inputs(_fitting(model, among) if complete else among[0], complete, frozenset(facts.used))


def _among(facts: Facts, given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every way to choose a layout for each argument, the usual ones first."""
    layouts = []
    for name, value in given.items():
        among = value.among if isinstance(value, Layouts) else (value,)
        layouts.append((None, *among) if name in AT_LAST and not facts.needs(name) else among)
    for chosen in product(*layouts):
        yield {name: value for name, value in zip(given, chosen, strict=True) if value is not None}


def _fitting(model: Any, among: list[dict[str, Any]]) -> dict[str, Any]:
    """The first inputs that the model runs on; failing that, the first for which it runs until it asks for values."""
    asking = None
    for given in among if len(among) > 1 else ():
        try:
            profile(model, kwargs=given)
        except NeedsValuesError:
            asking = asking or given
        except FlopsightError:
            continue
        else:
            return given
    return asking or among[0]
