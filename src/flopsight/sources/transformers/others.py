"""Inputs that are neither text nor pixels nor sound, and those that depend on the part of a model that takes them."""

from __future__ import annotations

from typing import Any

from flopsight.sources._layouts import Layouts, tensor
from flopsight.sources.transformers.facts import Facts
from flopsight.sources.transformers.pixels import image
from flopsight.sources.transformers.sound import features, latents, wave
from flopsight.sources.transformers.text import vectors


def hidden_states(facts: Facts) -> Any:
    """What a part of a model is given by the part before it: pixels, patches, tokens' vectors, a spectrum, a wave."""
    tower = image(facts) if "grid_thw" in facts.takes or "pixel_values" in facts.main else None
    makers = [lambda facts: tower] if tower else [vectors, features, latents, wave]
    made = [value for make in makers if (value := make(facts)) is not None]
    return Layouts(*(layout for value in made for layout in (value.among if isinstance(value, Layouts) else (value,))))


def series(facts: Facts) -> Any:
    """[B, L, channels]: the past of a time series."""
    length = facts.read("context_length", default=512)
    channels = facts.read("num_input_channels")
    return tensor(facts.batch, length, *((channels,) if channels else ()))


def no_padding(facts: Facts) -> Any:
    """[B, L]: none of the past is padding."""
    import torch

    return torch.zeros(facts.batch, facts.read("context_length", default=512))


def frequency(facts: Facts) -> Any:
    """[B, 1]: how often the series was taken: the most often."""
    import torch

    return torch.zeros(facts.batch, 1, dtype=torch.int64)


def per_step(*names: str) -> Any:
    """[B, steps, width] of a game, with the width that the configuration has under the first of these names."""

    def make(facts: Facts) -> Any:
        return tensor(facts.batch, STEPS, facts.read(*names) if names else 1)

    return make


def robot(facts: Facts) -> Any:
    """[B, values]: how a robot stands."""
    return tensor(facts.batch, facts.read("max_state_dim"))


def steps(facts: Facts) -> Any:
    """[B, steps] of a game, counted."""
    return tensor(facts.batch, STEPS, dtype="int64")


def anything(facts: Facts) -> Any:
    """[B, tokens, d_model]: what a model takes that reads any kind of data, or a wave."""
    width = facts.read("d_model")
    return tensor(facts.batch, facts.tokens(), width) if width else wave(facts)


def seen(facts: Facts) -> Any:
    """[B, 36, features]: objects seen in an image, by another model."""
    return tensor(facts.batch, OBJECTS, facts.read("visual_feat_dim"))


def seen_at(facts: Facts) -> Any:
    """[B, 36, 4]: where they are."""
    return tensor(facts.batch, OBJECTS, facts.read("visual_pos_dim"))


def task(facts: Facts) -> Any:
    """[B, length]: the task in words."""
    return tensor(facts.batch, facts.read("task_seq_len", default=facts.tokens()), dtype="int64")


def point(facts: Facts) -> Any:
    """[B, 1, 1, 2]: what to segment, by a single point in it."""
    return tensor(facts.batch, 1, 1, 2)


def classes(facts: Facts) -> Any:
    """[B]: how many classes each image is searched for."""
    import torch

    return torch.ones(facts.batch, dtype=torch.int64)


def per_question(of_tokens: Any) -> Any:
    """[B, 1]: of a single question, what is made of the number of tokens."""

    def make(facts: Facts) -> Any:
        import torch

        return torch.full((facts.batch, 1), of_tokens(facts.tokens()))

    return make


STEPS, OBJECTS = 20, 36

OTHERS = {
    "hidden_states": hidden_states,
    "past_values": series,
    "past_values_padding": no_padding,
    "freq": frequency,
    "state": robot,
    "states": per_step("state_dim"),
    "actions": per_step("act_dim"),
    "rewards": per_step(),
    "returns_to_go": per_step(),
    "timesteps": steps,
    "inputs": anything,
    "visual_feats": seen,
    "visual_pos": seen_at,
    "task_inputs": task,
    "classes_structure": classes,
    "input_points": point,
    "marks": per_question(lambda tokens: tokens),
    "num_options": per_question(lambda tokens: 2),
    "question_type_ids": per_question(lambda tokens: 0),
}
"""By the argument of forward."""
