"""What steers a model: the time, text, pictures as vectors, classes, guidance, sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flopsight.sources._layouts import Layouts, tensor
from flopsight.sources.diffusers import sizes
from flopsight.sources.diffusers.facts import Facts
from flopsight.sources.diffusers.latents import SOUND_LATENTS, sound_length
from flopsight.tracing.given.inputs import plain, spec

WIDTHS = (
    "encoder_hid_dim", "encoder_hidden_size", "caption_channels", "joint_attention_dim", "text_embed_dim", "text_dim",
    "cap_feat_dim", "context_in_dim", "in_text_dim", "encoder_hidden_states_channels", "text_in_dim",
    "llm_features_dim", "text_hidden_dim", "dit_text_dim", "cond_token_dim", "cross_attention_input_dim",
    "condition_dim", "cross_attention_dim", "embedding_dim", "hidden_size",
)  # fmt: skip
"""What a configuration calls the width of the text's vectors."""

IMAGE_TOKENS = 257
"""Of CLIP's large image encoder."""

TIME_IDS = 6
"""Numbers that tell the sizes and the crop of a picture."""


def time(facts: Facts) -> Any:
    """[B]: which step each example is at; or [B, F], each of its frames."""
    if facts.dimensions < 3:
        return spec(facts.batch)
    return Layouts(spec(facts.batch), spec(facts.batch, sizes.frames(facts)))


def second_time(facts: Facts) -> Any:
    """`time`, for models that are told where a step ends."""
    return time(facts) if facts.needs("timestep_r") or facts.read("use_meanflow") else None


def text(facts: Facts) -> Any:
    """[B, tokens, C]: a vector for each token, or several; also for each frame, or for each latent of a sound."""
    B, T, width = facts.batch, facts.tokens(), facts.read(*WIDTHS)
    if width is None:
        return None
    if "added_time_ids" in facts.takes:
        return spec(B, 1, width)  # of a picture
    if layers := facts.read("num_text_layers"):
        return spec(B, T, layers, width)
    if layers := facts.read("injection_layer_ids"):
        return spec(B, 1 + len(layers), T, width)
    usual = spec(B, T, width)
    if facts.dimensions == 1:
        return Layouts(usual, spec(B, sound_length(facts), width))
    return Layouts(usual, spec(B * sizes.frames(facts), T, width)) if facts.unet and facts.dimensions == 3 else usual


def vector(*names: str) -> Callable[[Facts], Any]:
    """[B, C]: one vector for each example, where the configuration has the width."""
    return lambda facts: tensor(facts.batch, facts.read(*names))


def tokens(*names: str, count: int | None = None) -> Callable[[Facts], Any]:
    """[B, tokens, C], where the configuration has the width; as many as of text unless a count is given."""
    return lambda facts: (
        tensor(facts.batch, count or facts.tokens(), facts.read(*names)) if facts.read(*names) else None
    )


def picture(facts: Facts) -> Any:
    """[B, tokens, C] of a picture; models that ask whether there is one leave out zeros: so it has values, ones."""
    import torch

    width = facts.read("image_embed_dim", "image_proj_dim")
    shape = (facts.batch, IMAGE_TOKENS, width)
    return Layouts(spec(shape), plain(torch.ones(shape))) if width else None


def of_t5(facts: Facts) -> Any:
    """[B, tokens, C], of the longer of two texts or of as many tokens."""
    captions = facts.read("caption_channels", default=(None,))
    width = facts.read("cross_attention_dim_t5", "text_embed_dim_t5", default=captions[0])
    return tensor(facts.batch, facts.read("text_len_t5", default=facts.tokens()), width)


def of_layers(facts: Facts) -> Any:
    """[layers, B, tokens, C]: the vectors of every layer of a language model, up to the last that is read."""
    count = 1 + max(facts.read("llama_layers", default=(0,)))
    return spec(count, facts.batch, facts.tokens(), facts.read("caption_channels")[-1])


def t5_mask(facts: Facts) -> Any:
    """[B, tokens]: all of the longer text is to be read."""
    import torch

    return torch.ones(facts.batch, facts.read("text_len_t5", default=facts.tokens()), dtype=torch.int64)


def style(facts: Facts) -> Any:
    """[B]: the usual one."""
    import torch

    return torch.zeros(facts.batch, dtype=torch.int64)


def per_layer(facts: Facts) -> Any:
    """[B, tokens, C] for each block."""
    count = facts.read("num_layers", default=0) + facts.read("num_single_layers", default=0)
    return [spec(facts.batch, facts.tokens(), facts.read("text_encoder_dim")) for _ in range(count)]


def per_example(facts: Facts) -> Any:
    """[tokens, C] for each example."""
    return [spec(facts.tokens(), facts.read("cap_feat_dim")) for _ in range(facts.batch)]


def mask(facts: Facts) -> Any:
    """[B, tokens]: all of the text is to be read."""
    import torch

    ones = torch.ones(facts.batch, facts.tokens(), dtype=torch.int64)
    return Layouts(ones.bool(), ones)


def lengths(facts: Facts) -> Any:
    """[B]: how many tokens a text has."""
    import torch

    return torch.full((facts.batch,), facts.tokens())


def guidance(facts: Facts) -> Any:
    """[B]: how closely to follow the text, for models that were distilled to be told."""
    return spec(facts.batch) if facts.read("guidance_embeds") else None


def classes(facts: Facts) -> Any:
    """[B]: what is to be seen, for models that know classes."""
    import torch

    knows = facts.read("num_class_embeds") or facts.read("norm_type") == "ada_norm_zero"
    return torch.zeros(facts.batch, dtype=torch.int64) if knows else None


def added(facts: Facts) -> Any:
    """What a model is told beside the text, by the kind of its embedding."""
    kind, B = facts.read("addition_embed_type"), facts.batch
    if kind == "text_time":
        pooled = facts.read("projection_class_embeddings_input_dim") - TIME_IDS * facts.read("addition_time_embed_dim")
        return {"text_embeds": spec(B, pooled), "time_ids": spec(B, TIME_IDS)}
    if kind in ("image", "image_hint"):
        height, width = sizes.image(facts)
        hint = {"hint": spec(B, 3, sizes.LATENT * height, sizes.LATENT * width)} if kind == "image_hint" else {}
        return {"image_embeds": spec(B, facts.read("encoder_hid_dim", "cross_attention_dim")), **hint}
    if getattr(facts.model, "use_additional_conditions", False):
        return {"resolution": spec(B, 2), "aspect_ratio": spec(B, 1)}
    return None


def numbers(facts: Facts) -> Any:
    """[B, numbers]: rate, motion and noise of a video, each embedded by itself."""
    given, each = facts.read("projection_class_embeddings_input_dim"), facts.read("addition_time_embed_dim")
    return tensor(facts.batch, given and each and given // each)


def micro(facts: Facts) -> Any:
    """[B, numbers]: the sizes of a picture, each embedded by itself."""
    together, each = facts.read("micro_cond_embed_dim"), facts.read("micro_cond_encode_dim")
    return tensor(facts.batch, together and each and together // each)


def pair(facts: Facts) -> Any:
    """[B, 2]: height and width, or the corner, of the picture."""
    return spec(facts.batch, 2)


def drawn(facts: Facts) -> Any:
    """[B, N]: a token of a language model for each patch."""
    _, rows, columns = sizes.patches(facts)
    return spec(facts.batch, rows * columns, dtype="int64")


def none_dropped(facts: Facts) -> Any:
    """[B, N]: all of those are to be read."""
    import torch

    _, rows, columns = sizes.patches(facts)
    return torch.zeros(facts.batch, rows * columns, dtype=torch.bool)


def codes(facts: Facts) -> Any:
    """[B, H, W]: a code for each patch."""
    return spec(facts.batch, *sizes.image(facts), dtype="int64")


def ids(facts: Facts) -> Any:
    """[B, tokens]."""
    return spec(facts.batch, facts.tokens(), dtype="int64")


def whose(facts: Facts) -> Any:
    """[B]: which example a sound belongs to."""
    import torch

    return torch.arange(facts.batch)


def context(facts: Facts) -> Any:
    """[B, length, C]: latents beside those that a model works on."""
    if not facts.needs("context_latents"):
        return None
    return tensor(facts.batch, sound_length(facts), facts.read("in_channels", default=0) - facts.channels())


def chunks(facts: Facts) -> Any:
    """How many frames are made at a time: as the configuration says, until all are made."""
    left, chunks = sizes.frames(facts), []
    for most in facts.read("chunk_partition"):
        chunks.append(min(most, left))
        left -= chunks[-1]
    return plain([chunk for chunk in chunks if chunk])


CONDITIONS = {
    **dict.fromkeys(("timestep", "timesteps", "t", "r_timestep", "timestep_ratio", "seconds"), time),
    "timestep_r": second_time,
    "fps": lambda facts: spec(facts.batch) if facts.needs("fps") else None,
    "encoder_hidden_states": text,
    "encoder_hidden_states_t5": of_t5,
    "encoder_hidden_states_llama3": of_layers,
    "encoder_hidden_states_2": tokens("text_embed_2_dim"),
    "encoder_hidden_states_image": tokens("image_dim", count=IMAGE_TOKENS),
    "audio_encoder_hidden_states": tokens("caption_channels"),
    "image_embeds": picture,
    "image_embeddings": vector("cross_attention_dim"),
    "clip_text_pooled": tokens("clip_text_pooled_in_channels", count=1),
    "clip_text": tokens("clip_text_in_channels"),
    "clip_img": tokens("clip_image_in_channels", count=1),
    "text_bth": tokens("text_in_dim"),
    "text_encoder_layers": per_layer,
    "cap_feats": per_example,
    "inputs_embeds": tokens("hidden_size", count=1),
    "text_lens": lengths,
    **dict.fromkeys(
        (
            "encoder_attention_mask",
            "encoder_hidden_states_mask",
            "encoder_mask",
            "mask",
            "text_attention_mask",
            "lyric_attention_mask",
        ),
        mask,
    ),
    "text_embedding_mask": lambda facts: mask(facts).among[-1],
    "text_embedding_mask_t5": t5_mask,
    "image_meta_size": lambda facts: spec(facts.batch, TIME_IDS),
    "style": style,
    "pooled_embeds": vector("text_emb_dim"),
    "encoder_attention_mask_2": lambda facts: mask(facts) if facts.read("text_embed_2_dim") else None,
    "pooled_projections": vector("pooled_projection_dim", "in_text_dim2"),
    "pooled_text_emb": vector("cond_embed_dim"),
    "global_hidden_states": vector("global_states_input_dim", "global_cond_dim"),
    "proj_embedding": vector("embedding_proj_dim", "embedding_dim"),
    "guidance": guidance,
    "ofs": lambda facts: spec(facts.batch) if facts.read("ofs_embed_dim") else None,
    "timestep_cond": vector("time_cond_proj_dim"),
    "class_labels": classes,
    "added_cond_kwargs": added,
    "added_time_ids": numbers,
    "micro_conds": micro,
    **dict.fromkeys(("original_size", "target_size", "crop_coords"), pair),
    "prior_token_id": drawn,
    "prior_token_drop": none_dropped,
    "input_ids": codes,
    "chunk_partition": chunks,
    "context_latents": context,
    "audio_num_frames": lambda facts: SOUND_LATENTS,
    "scale": lambda facts: facts.read("scales", default=(None,))[0],
    "source_hidden_states": tokens("source_dim"),
    "target_input_ids": ids,
    "text_hidden_states": tokens("text_hidden_dim"),
    "lyric_hidden_states": tokens("text_hidden_dim"),
    "refer_audio_acoustic_hidden_states_packed": tokens("timbre_hidden_dim", count=SOUND_LATENTS),
    "refer_audio_order_mask": whose,
}
"""By the argument of forward: a function of the facts that gives a tensor to come, or None where it cannot tell."""
