"""What steers a model: the time, text, classes, guidance, sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flopsight.sources.diffusers.facts import Facts
from flopsight.sources.transformers.layouts import Layouts, tensor
from flopsight.tracing.inputs import plain, spec

WIDTHS = (
    "encoder_hid_dim", "caption_channels", "joint_attention_dim", "text_embed_dim", "text_dim", "cap_feat_dim",
    "context_in_dim", "in_text_dim", "encoder_hidden_states_channels", "encoder_hidden_size", "text_in_dim",
    "llm_features_dim", "text_hidden_dim", "dit_text_dim", "cond_token_dim", "cross_attention_input_dim",
    "condition_dim", "cross_attention_dim",
)  # fmt: skip
"""What a configuration calls the width of the text's vectors."""

IMAGE_TOKENS = 257
"""Of CLIP's large image encoder."""


def time(facts: Facts) -> Any:
    """[B]: which step each example is at."""
    return spec(facts.batch)


def text(facts: Facts) -> Any:
    """[B, tokens, C]: a vector for each token."""
    return tensor(facts.batch, facts.tokens(), facts.read(*WIDTHS))


def vector(*names: str) -> Callable[[Facts], Any]:
    """[B, C]: one vector for each example, where the configuration has the width."""
    return lambda facts: tensor(facts.batch, facts.read(*names))


def tokens_of(count: int | None, *names: str) -> Callable[[Facts], Any]:
    """[B, tokens, C], where the configuration has the width; as many as of text unless a count is given."""
    return lambda facts: (
        tensor(facts.batch, count or facts.tokens(), facts.read(*names)) if facts.read(*names) else None
    )


def mask(facts: Facts) -> Any:
    """[B, tokens]: all of the text is to be read."""
    import torch

    ones = torch.ones(facts.batch, facts.tokens(), dtype=torch.int64)
    return Layouts(ones.bool(), ones)


def guidance(facts: Facts) -> Any:
    """[B]: how closely to follow the text, for models that were distilled to be told."""
    return spec(facts.batch) if facts.read("guidance_embeds") else None


def classes(facts: Facts) -> Any:
    """[B]: what is to be seen, for models that know classes."""
    import torch

    known = facts.read("num_class_embeds") or (facts.read("norm_type") == "ada_norm_zero" or None)
    return known and torch.zeros(facts.batch, dtype=torch.int64)


def added(facts: Facts) -> Any:
    """What a UNet is told beside the text, by the kind of its embedding."""
    kind = facts.read("addition_embed_type")
    B, ids, width = facts.batch, 6, facts.read("encoder_hid_dim", "cross_attention_dim")
    if kind == "text_time":
        pooled = facts.read("projection_class_embeddings_input_dim") - ids * facts.read("addition_time_embed_dim")
        return {"text_embeds": spec(B, pooled), "time_ids": spec(B, ids)}
    if kind in ("image", "image_hint") or facts.read("encoder_hid_dim_type") == "image_proj":
        hint = {"hint": spec(B, 3, *(8 * size for size in facts.image()))} if kind == "image_hint" else {}
        return {"image_embeds": spec(B, width), **hint}
    if facts.read("use_additional_conditions"):
        return {"resolution": spec(B, 2), "aspect_ratio": spec(B, 1)}
    return None


def pair(facts: Facts) -> Any:
    """[B, 2]: height and width, or the corner, of the picture."""
    return spec(facts.batch, 2)


CONDITIONS = {
    **dict.fromkeys(("timestep", "timesteps", "t", "timestep_r", "r_timestep", "timestep_ratio", "sigma", "fps"), time),
    "encoder_hidden_states": text,
    "encoder_hidden_states_2": tokens_of(None, "text_embed_2_dim"),
    "encoder_hidden_states_t5": tokens_of(None, "text_embed_dim_t5", "cross_attention_dim_t5"),
    "encoder_hidden_states_image": tokens_of(IMAGE_TOKENS, "image_dim"),
    "image_embeds": tokens_of(IMAGE_TOKENS, "image_embed_dim", "image_proj_dim"),
    "encoder_attention_mask": mask,
    "encoder_attention_mask_2": lambda facts: mask(facts) if facts.read("text_embed_2_dim") else None,
    "encoder_hidden_states_mask": mask,
    "encoder_mask": mask,
    "pooled_projections": vector("pooled_projection_dim", "in_text_dim2"),
    "global_hidden_states": vector("global_states_input_dim", "global_cond_dim"),
    "proj_embedding": vector("embedding_proj_dim", "embedding_dim"),
    "guidance": guidance,
    "class_labels": classes,
    "added_cond_kwargs": added,
    "original_size": pair,
    "target_size": pair,
    "crop_coords": pair,
    "conditioning_scale": lambda facts: plain(1.0) if facts.needs("conditioning_scale") else None,
}
"""By the argument of forward: a function of the facts that gives a tensor to come, or None where it cannot tell."""
