"""Inputs made of tokens: ids, boxes on a page, vectors in place of tokens."""

from __future__ import annotations

from typing import Any

from flopsight.sources._layouts import Layouts, tensor
from flopsight.sources.transformers.facts import Facts
from flopsight.sources.transformers.sound import frames
from flopsight.tracing.given.inputs import spec


def ids(facts: Facts) -> Any:
    """A number for each token; for a choice among answers, two rows of them; for audio codes, several side by side."""
    B, tokens = facts.batch, facts.tokens()
    if together := facts.read("audio_length_per_tok"):  # a clip is added to the text, so many frames to each token
        tokens = frames(facts) // together
    if type(facts.model).__name__.endswith("ForMultipleChoice"):
        return spec(B, 2, tokens, dtype="int64")
    streams = facts.all("num_codebooks", "num_channels", of="text")
    if "last_hidden_state" in facts.takes and streams:
        return spec(B, streams[0], dtype="int64")  # the codes of one step, one after the other
    beside = [(B, tokens, some + more) for some in streams for more in (0, 1)]
    below = [(B * some, tokens) for some in streams]  # which those that say how many channels their audio has take
    shapes = [*below, (B, tokens)] if streams and facts.read("audio_channels") else [(B, tokens), *beside]
    return Layouts(*(spec(*shape, dtype="int64") for shape in shapes))


def plain_ids(facts: Facts) -> Any:
    """A number for each token."""
    return spec(facts.batch, facts.tokens(), dtype="int64")


def main_or_no_ids(facts: Facts) -> Any:
    """Ids, or none where the model is told another thing instead."""
    made = ids(facts)
    among = made.among if isinstance(made, Layouts) else (made,)
    alone = facts.needs("input_ids") and "input_features" not in facts.takes
    return Layouts(*among) if alone else Layouts(*among, None)


def passages(facts: Facts) -> Any:
    """[B*D, tokens]: the documents that were found for each example."""
    return tensor(facts.batch * facts.read("n_docs", default=1), facts.tokens(), dtype="int64")


def scores(facts: Facts) -> Any:
    """[B, D]: how well each document fits."""
    return tensor(facts.batch, facts.read("n_docs"))


def vectors(facts: Facts) -> Any:
    """A vector for each token."""
    width = facts.read("hidden_size", "d_model", "n_embd", "dim", of="text")
    return tensor(facts.batch, facts.tokens(), width)


def boxes(facts: Facts) -> Any:
    """Where each token stands on its page, by two corners or by four: all at the origin."""
    import torch

    two, four = (torch.zeros(facts.batch, facts.tokens(), sides, dtype=torch.int64) for sides in (4, 8))
    return Layouts(two, four, two.float())


def language(facts: Facts) -> Any:
    """[B]: the first of the languages that a model knows, where it wants to be told."""
    import torch

    return Layouts(None, torch.zeros(facts.batch, dtype=torch.int64))


TEXT = {
    "input_ids": main_or_no_ids,
    "decoder_input_ids": ids,
    "context_input_ids": passages,
    "context_attention_mask": passages,
    "doc_scores": scores,
    "protein_input_ids": plain_ids,
    "protein_attention_mask": plain_ids,
    "qformer_input_ids": plain_ids,
    "classes_input_ids": plain_ids,
    "classes_attention_mask": plain_ids,
    "tasks_input_ids": plain_ids,
    "tasks_attention_mask": plain_ids,
    "inputs_embeds": vectors,
    "encoder_hidden_states": vectors,
    "bbox": boxes,
    "lang_ids": language,
}
"""By the argument of forward: a function of the facts that gives a tensor to come, or None where it cannot tell."""
