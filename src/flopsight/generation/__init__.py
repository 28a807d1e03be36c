"""`profile_generate`: what a language model costs to serve, prompt and new tokens apart, in the model's own code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from flopsight.analysis import generation
from flopsight.analysis.components import split
from flopsight.analysis.curves import Curve, Step, Work, curve
from flopsight.analysis.generation import Component
from flopsight.errors import InputError
from flopsight.generation.drafts import Drafts, refuse_unfit, refuse_unlike
from flopsight.generation.runs import Measured, Run
from flopsight.profiles import Profile
from flopsight.tracing.sizing.naming import names_in


class Generation(generation.Generation):
    """What it costs to answer a prompt; `print` it to read it."""

    def __str__(self) -> str:
        from flopsight.views.generation import render

        return render(self)


def profile_generate(
    model: nn.Module,
    *,
    batch: int = 1,
    prompt: int,
    new_tokens: int,
    inputs: Mapping[str, Any] | None = None,
    assistant: nn.Module | None = None,
    draft_tokens: int | None = None,
    acceptance: float | None = None,
) -> Generation:
    """What it costs to have `model` read a prompt and generate tokens one by one. Nothing is computed.

    The model's own forward is run with its own cache, as `generate` runs it without sampling: on the prompt, then on
    one token at a time. The cost of every step is exact; few of the steps are run, since costs are polynomials in the
    length of the cache, which further steps confirm.

    model: a causal, encoder-decoder or multimodal model of transformers (`flopsight.sources` builds one without
    weights). batch, prompt, new_tokens: sequences, tokens of each prompt (of the encoder, for a model that has one),
    and tokens generated for each sequence.
    inputs: what the prompt's call takes besides, or in place of token ids (images, audio), as for `flopsight.profile`;
    where ids of images stand amid the text, its `input_ids` too.
    assistant, draft_tokens: a model that drafts so many tokens in each round, which one call of `model` verifies.
    acceptance: the assumed probability that a drafted token is accepted, whatever came before it.

    Raises: InputError, ModelError, NeedsValuesError.
    """
    _refuse_unclear(inputs, batch=batch, prompt=prompt, new_tokens=new_tokens)
    refuse_unfit(assistant, draft_tokens, acceptance)
    run = Run(model, batch, prompt, inputs or {})
    drafts = None
    if assistant is not None and draft_tokens is not None:
        refuse_unlike(model, assistant, dict(inputs or {}))
        drafts = Drafts(run, Run(assistant, batch, prompt, {}), draft_tokens)
    start = run.prompt()
    held = max(start.held.tokens, run.ids)
    steps = _Steps(run, held, held + new_tokens - 2)
    decode = steps.curve()
    assisted = drafts.rounds(acceptance, prompt, new_tokens) if drafts is not None else None
    records = [start.record, *(each.record for each in steps.found.values()), *(drafts.records if drafts else ())]
    last = steps.found.get(held + new_tokens - 2, start)
    return Generation(
        model=start.record.model,
        batch=batch,
        prompt=start.held.encoded if run.decodes_apart else prompt,
        new_tokens=new_tokens,
        positions=start.held.encoded if run.decodes_apart else held,
        prefill=start.step,
        decode=decode,
        record=start.record,
        step=steps.found[held].record if len(decode) else None,
        components=tuple(steps.components(start.record)),
        cache_parts=last.held.parts if len(last.held.parts) > 1 else {},
        assisted=assisted,
        unknown=tuple(dict.fromkeys(name for each in records for name in each.unknown)),
        notes=tuple(dict.fromkeys(note for each in records for note in each.notes)),
    )


def _refuse_unclear(inputs: Mapping[str, Any] | None, **counts: Any) -> None:
    for name, count in counts.items():
        if type(count) is not int or count < 1:
            raise InputError(f"{name} is {count!r}; it is a number of at least 1.")
    if named := names_in(inputs):
        raise InputError(
            f"The size {next(iter(named))!r} has a name; give a number for each size of what the prompt takes."
        )


class _Steps:
    """The steps from one cache length to another, each run once.

    found: those that were run, by the length of the cache before them.
    """

    def __init__(self, run: Run, first: int, last: int) -> None:
        self._run = run
        self._first = first
        self._last = last
        self._split: dict[int, dict[str, Work]] = {}
        self.found: dict[int, Measured] = {}

    def curve(self) -> Curve[Step]:
        """The cost of each."""
        return curve(lambda length: self._at(length).step, self._first, self._last)

    def components(self, prompt: Profile) -> list[Component]:
        """What each part of the model costs, in the prompt's call and in each step."""
        whole = split(prompt)
        paths = [path for path in [*prompt.modules, ""] if path in whole or path in self._work(self._first)]
        return [
            Component(path, prompt.modules[path].kind, whole.get(path, Work(0, 0, 0)), self._curve_of(path))
            for path in dict.fromkeys(sorted(paths, key=lambda path: not path))
        ]

    def _curve_of(self, path: str) -> Curve[Work]:
        return curve(lambda length: self._work(length).get(path, Work(0, 0, 0)), self._first, self._last)

    def _work(self, length: int) -> dict[str, Work]:
        if length > self._last:
            return {}
        if length not in self._split:
            self._split[length] = split(self._at(length).record)
        return self._split[length]

    def _at(self, length: int) -> Measured:
        if length not in self.found:
            self.found[length] = self._run.step(length)
        return self.found[length]
