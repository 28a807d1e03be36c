"""Inputs made of tokens: ids, boxes on a page, vectors in place of tokens, steps of a game."""

from __future__ import annotations

from typing import Any

from flopsight.sources.transformers.facts import Facts
from flopsight.tracing.inputs import spec


def ids(facts: Facts) -> Any:
    """A number for each token; for a choice among answers, two rows of them."""
    choices = (2,) if type(facts.model).__name__.endswith("ForMultipleChoice") else ()
    return spec(facts.batch, *choices, facts.tokens(), dtype="int64")


def vectors(facts: Facts) -> Any:
    """A vector for each token."""
    width = facts.read("hidden_size", "d_model", "n_embd", "dim", of="text")
    return width and spec(facts.batch, facts.tokens(), width)


def boxes(facts: Facts) -> Any:
    """Where each token stands on its page: all corners at the origin."""
    import torch

    width = 8 if facts.config.model_type == "bros" else 4
    return torch.zeros(facts.batch, facts.tokens(), width, dtype=torch.int64)


TEXT = {
    "input_ids": ids,
    "decoder_input_ids": ids,
    "context_input_ids": ids,
    "protein_input_ids": ids,
    "protein_attention_mask": ids,
    "qformer_input_ids": ids,
    "classes_input_ids": ids,
    "tasks_input_ids": ids,
    "inputs_embeds": vectors,
    "hidden_states": vectors,
    "encoder_hidden_states": vectors,
    "bbox": boxes,
}
"""By the argument of forward: a function of the facts that gives a tensor to come, or None where it cannot tell."""
