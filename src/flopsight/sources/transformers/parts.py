"""Inputs of a part of a model: what the part before it makes.

B examples · T tokens · D width · h, w rows and columns of an image's patches · N patches of an image, h * w
"""

from __future__ import annotations

from typing import Any

from flopsight.sources._layouts import Layouts, tensor
from flopsight.sources.transformers.facts import Facts
from flopsight.sources.transformers.pixels import rows_and_columns
from flopsight.sources.transformers.sound import frames
from flopsight.tracing.given.inputs import plain, spec

WIDTHS = ("hidden_size", "d_model", "n_embd", "dim")
BYTES_A_PATCH, POOLED = 4, 2
"""How many bytes become one patch of text, and how many patches of an image, along each side, one token."""


def tokens(facts: Facts) -> Any:
    """[B, T, D]."""
    return tensor(facts.batch, facts.tokens(), facts.read(*WIDTHS))


def answers(facts: Facts) -> Any:
    """[B, T, D], or [B, N, D] where the maps of an image are given beside: what a part attends to."""
    if "backbone_features" in facts.takes:
        return _places(facts)
    return tensor(facts.batch, facts.tokens(), facts.read("encoder_hidden_size", "cross_hidden_size", *WIDTHS))


def queries(facts: Facts) -> Any:
    """[B, queries, D]: what is asked of an image, learned."""
    return tensor(facts.batch, facts.read("num_query_tokens", "num_queries", default=QUERIES), facts.read(*WIDTHS))


def _places(facts: Facts) -> Any:
    """[B, N, D]."""
    rows, columns = facts.patches()
    return tensor(facts.batch, rows * columns, facts.read(*WIDTHS))


def _map(facts: Facts, finer: int = 1) -> Any:
    """[B, D, h, w], or so many times finer."""
    rows, columns = facts.patches()
    return tensor(facts.batch, facts.read(*WIDTHS), rows * finer, columns * finer)


def places_or_map(facts: Facts) -> Any:
    """[B, N, D], or a list with one map [B, D, h, w]."""
    return Layouts((_map(facts),), _places(facts))


def one_map(facts: Facts) -> Any:
    """A list with one map [B, D, h, w]."""
    return (_map(facts),)


def maps(facts: Facts) -> Any:
    """A list of maps, each half as fine as the one before, the last [B, D, h, w]."""
    halvings = facts.read("num_upsampling_stages", default=3) - 1
    return tuple(_map(facts, 2**finer) for finer in range(halvings, -1, -1))


def patches(facts: Facts) -> Any:
    """A map [B, D, h, w] of an image; of text, [B, T / 4, D], of the model that the patches come from."""
    width = facts.read("hidden_size_global")
    return spec(facts.batch, facts.tokens() // BYTES_A_PATCH, width) if width else _map(facts)


def patch_of_each(facts: Facts) -> Any:
    """[B, T]: in which patch of text each byte is: four bytes in each."""
    import torch

    return (torch.arange(facts.tokens()) // BYTES_A_PATCH).repeat(facts.batch, 1)


def patch_count(facts: Facts) -> Any:
    """How many patches of text there are; of an image, half of what is given, for a query follows for each."""
    return plain(-(-facts.tokens() // BYTES_A_PATCH) if "patch_ids" in facts.takes else facts.tokens() // 2)


def several_layers(facts: Facts) -> Any:
    """[B, T, layers * D]: what several layers of another model made."""
    layers = facts.read("target_layer_ids", default=())
    return tensor(facts.batch, facts.tokens(), len(layers) * facts.read(*WIDTHS, default=0) or None)


def of_a_step(facts: Facts) -> Any:
    """[B, codebooks, D]: what another model made of a step, for each of its codes."""
    return tensor(facts.batch, facts.read("num_codebooks"), facts.read("input_size"))


def block(facts: Facts) -> Any:
    """[B, block, D]: the tokens that are guessed at a time."""
    return tensor(facts.batch, facts.read("block_size"), facts.read(*WIDTHS))


def image_layers(facts: Facts) -> Any:
    """[B, N, layers * D]: what several layers of a vision tower made of each image."""
    rows, columns = facts.patches()
    layers = facts.read("vision_feature_layer", default=())
    return tensor(facts.batch, rows * columns, len(layers) * facts.read(*WIDTHS, default=0) or None)


def pooled_patches(facts: Facts) -> Any:
    """[B*h/2*w/2, 4]: the patches that become one token, squares of two by two; -1 where a square has none."""
    import torch

    rows, columns = facts.patches()
    places = torch.arange(facts.batch * rows * columns).reshape(-1, rows, columns)
    whole = torch.nn.functional.pad(places, (0, -columns % POOLED, 0, -rows % POOLED), value=-1)
    return whole.unfold(1, POOLED, POOLED).unfold(2, POOLED, POOLED).reshape(-1, POOLED**2)


def pooled_grids(facts: Facts) -> Any:
    """[B, 4]: rows and columns of the tokens of each image as a whole, and of its tiles: it has none."""
    import torch

    rows, columns = (-(-size // POOLED) for size in facts.patches())
    return torch.tensor([[rows, columns, 0, 0]] * facts.batch)


def levels(facts: Facts) -> Any:
    """[B, 2], or where there are maps, [1, 2]: rows and columns of the patches."""
    import torch

    return torch.tensor([facts.patches()]) if "vision_features" in facts.takes else rows_and_columns(facts)


def attention(facts: Facts) -> Any:
    """[B, T]: every token is seen."""
    import torch

    return torch.ones(facts.batch, facts.tokens(), dtype=torch.int64)


def _per_frame(width: str) -> Any:
    """[B, frames, D], of the width that the configuration has under this name."""

    def make(facts: Facts) -> Any:
        return tensor(facts.batch, frames(facts), facts.read(width, of="audio"))

    return make


def codes(facts: Facts) -> Any:
    """[B, codes]: a sound, of which each code becomes several frames."""
    return tensor(facts.batch, frames(facts) // facts.read("repeats", of="audio", default=1), dtype="int64")


def voice(facts: Facts) -> Any:
    """[B, D]: whose voice a sound is in."""
    return tensor(facts.batch, facts.read("enc_emb_dim", of="audio"))


def time(facts: Facts) -> Any:
    """[]: how far the noise is taken away."""
    return spec(dtype="float32")


QUERIES = 32

PARTS_INPUTS = {
    "encoder_hidden_states": answers,
    "context": answers,
    "query_embeds": queries,
    "decoder_queries": queries,
    "text_features": tokens,
    "prompt_features": tokens,
    "vision_features": places_or_map,
    "vision_pos_embeds": one_map,
    "vision_pos_encoding": _places,
    "backbone_features": maps,
    "patch_embeds": patches,
    "patch_ids": patch_of_each,
    "num_patches": patch_count,
    "context_hidden_states": several_layers,
    "noise_embeds": block,
    "last_hidden_state": of_a_step,
    "image_features": image_layers,
    "pooled_patches_idx": pooled_patches,
    "attention_mask": attention,
    "spatial_shapes": levels,
    "image_token_pooling": pooled_patches,
    "image_grids": pooled_grids,
    "speaker_embedding": _per_frame("enc_emb_dim"),
    "condition_vector": _per_frame("mel_dim"),
    "quantized_code": codes,
    "code": codes,
    "conditioning": voice,
    "reference_mel": _per_frame("mel_dim"),
    "time_step": time,
}
"""By the argument of forward."""
