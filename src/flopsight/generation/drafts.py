"""Assisted decoding: what may assist a model, and its rounds."""

from __future__ import annotations

from typing import Any

from torch import nn

from flopsight.analysis.assisted import Assisted, Round, together
from flopsight.analysis.curves import Curve, Step, curve
from flopsight.errors import InputError
from flopsight.generation.runs import Measured, Run
from flopsight.profiles import Profile


def refuse_unfit(assistant: Any, draft_tokens: int | None, acceptance: float | None) -> None:
    """Refuse options that do not go together, and numbers that cannot be. Raises: InputError."""
    if (assistant is None) != (draft_tokens is None):
        raise InputError(
            "There is an assistant without draft_tokens; say how many tokens it drafts in each round."
            if draft_tokens is None
            else "There are draft_tokens without an assistant; give the model that drafts them."
        )
    if acceptance is not None and assistant is None:
        raise InputError("There is an acceptance without an assistant; give the model that drafts.")
    if draft_tokens is not None and (type(draft_tokens) is not int or draft_tokens < 1):
        raise InputError(f"draft_tokens is {draft_tokens!r}; it is a number of at least 1.")
    if acceptance is not None and (type(acceptance) not in (int, float) or not 0 <= acceptance <= 1):
        raise InputError(f"acceptance is {acceptance!r}; it is a probability, between 0 and 1.")


def refuse_unlike(model: nn.Module, assistant: nn.Module, inputs: dict[str, Any]) -> None:
    """Refuse an assistant that `generate` refuses for the model, or whose rounds are others. Raises: InputError."""
    sizes = [getattr(_text(each), "vocab_size", None) for each in (model, assistant)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"{type(model).__name__} has a vocabulary of {sizes[0]} tokens and its assistant "
            f"{type(assistant).__name__} one of {sizes[1]}: what is drafted would have to be read and written anew. "
            "Give an assistant with the same vocabulary."
        )
    for each in (model, assistant):
        name = type(each).__name__
        if getattr(getattr(each, "config", None), "is_encoder_decoder", False):
            raise InputError(f"{name} has an encoder; assisted decoding is counted for models without one.")
        if getattr(each, "_is_stateful", False):
            raise InputError(f"{name} keeps a state that cannot be set back to before a token that is not accepted.")
    if inputs:
        raise InputError(
            f"Assisted decoding is counted for prompts of text; leave out {' and '.join(inputs)}, or the assistant."
        )


def _text(model: nn.Module) -> Any:
    """The configuration of what reads and writes text."""
    config: Any = getattr(model, "config", None)
    return config.get_text_config() if hasattr(config, "get_text_config") else config


class Drafts:
    """The rounds of a model and its assistant.

    records: of every call that was run.
    """

    def __init__(self, model: Run, assistant: Run, draft_tokens: int) -> None:
        self._model = model
        self._assistant = assistant
        self._draft_tokens = draft_tokens
        self.records: list[Profile] = []

    def rounds(self, acceptance: float | None, prompt: int, new_tokens: int) -> Assisted:
        """All rounds of a prompt."""
        K, last = self._draft_tokens, prompt + new_tokens - 2
        start = self._assistant.prompt()
        self.records.append(start.record)
        draft = self._curve(self._assistant, prompt, last + K - 1)
        whole = self._step(self._model.whole(prompt + K, K + 1))
        first = together([start.step, *(draft[length] for length in range(prompt, prompt + K - 1))])
        return Assisted(
            assistant=start.record.model,
            draft_tokens=K,
            acceptance=acceptance,
            new_tokens=new_tokens,
            first=Round(first, whole),
            again=self._curve(self._assistant, prompt, last, ids=2, back=1),
            draft=draft,
            verify=self._curve(self._model, prompt, last, ids=K + 1, kept=K + 1),
        )

    def _curve(self, run: Run, first: int, last: int, *, ids: int = 1, kept: int = 1, back: int = 0) -> Curve[Step]:
        """Calls of so many ids by a number of tokens, of which all but `back` are in the cache."""
        return curve(lambda length: self._step(run.step(length - back, ids, kept)), first, last)

    def _step(self, measured: Measured) -> Step:
        self.records.append(measured.record)
        return measured.step
