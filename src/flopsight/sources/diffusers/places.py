"""Where the tokens of images and texts stand."""

from __future__ import annotations

from math import prod
from typing import Any

from flopsight.sources._layouts import Layouts
from flopsight.sources.diffusers import sizes
from flopsight.sources.diffusers.facts import Facts
from flopsight.tracing.given.inputs import plain, spec


def _axes(facts: Facts) -> int:
    return len(facts.read("axes_dims_rope", "axes_dims", "mrope_section", default=(0, 0, 0)))


def _of_image(facts: Facts) -> Any:
    """[N, axes]: time, row and column, and on a fourth axis nothing."""
    import torch

    rows, columns = sizes.tokens(facts)
    at = torch.zeros(rows, columns, _axes(facts))
    at[..., 1] += torch.arange(rows)[:, None]
    at[..., 2] += torch.arange(columns)[None]
    return at.reshape(rows * columns, -1)


def _of_text(facts: Facts) -> Any:
    """[tokens, axes]: at the origin."""
    import torch

    return torch.zeros(facts.tokens(), _axes(facts))


def of_image(facts: Facts) -> Any:
    """For all examples together, or for each."""
    return _together_or_each(facts, _of_image(facts)) if facts.packed else None


def of_text(facts: Facts) -> Any:
    """For all examples together, or for each."""
    return _together_or_each(facts, _of_text(facts))


def of_both(facts: Facts) -> Any:
    """Text before image, for all examples together, or for each."""
    import torch

    return _together_or_each(facts, torch.cat([_of_text(facts), _of_image(facts)]))


def _together_or_each(facts: Facts, at: Any) -> Layouts:
    return Layouts(at, at.repeat(facts.batch, 1, 1))


def shapes(facts: Facts) -> Any:
    """Frames, rows and columns of the tokens of each image."""
    return plain([[(1, *sizes.tokens(facts))]] * facts.batch)


def of_patches(facts: Facts) -> Any:
    """The numbers of frames, rows and columns of tokens."""
    import torch

    return [torch.arange(count) for count in sizes.patches(facts)]


def turns(facts: Facts) -> Any:
    """Two of [N, C]: cosine and sine for each token, where a model is told them."""
    count, width = prod(sizes.patches(facts)), facts.read("attention_head_dim")
    told = facts.read("use_rotary_positional_embeddings") or "image_meta_size" in facts.takes
    return (spec(count, width),) * 2 if told else None


def in_text(facts: Facts) -> Any:
    """[tokens]: their numbers."""
    import torch

    return torch.arange(facts.tokens())


def of_frames(facts: Facts) -> Any:
    """[B, F]: their numbers; or [F] for all examples together."""
    import torch

    numbers = torch.arange(sizes.frames(facts))
    return Layouts(numbers.repeat(facts.batch, 1), numbers)


def after_text(facts: Facts) -> Any:
    """[B, tokens + N/4]: which tokens of a language model are of the image."""
    import torch

    rows, columns = sizes.tokens(facts)
    return (torch.arange(facts.tokens() + rows * columns // 4) >= facts.tokens()).repeat(facts.batch, 1)


def frames(facts: Facts) -> Any:
    """How many there are, for a model that is given them as tokens or as examples."""
    return sizes.frames(facts) if "height" in facts.takes or facts.encodes else None


PLACES = {
    "img_ids": of_image,
    "txt_ids": of_text,
    "position_ids": of_both,
    "img_shapes": shapes,
    "img_mask": after_text,
    "image_rotary_emb": turns,
    "visual_rope_pos": of_patches,
    "text_rope_pos": in_text,
    "indices_latents": of_frames,
    "num_frames": frames,
    "height": lambda facts: sizes.image(facts)[0],
    "width": lambda facts: sizes.image(facts)[1],
}
"""By the argument of forward: a function of the facts that gives a tensor to come, or None where it cannot tell."""
