"""`profile_generate`: what a language model costs to serve, prompt and new tokens apart, in the model's own code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from flopsight.analysis import generation
from flopsight.analysis.generation import Step, curve, weight_bytes
from flopsight.errors import InputError
from flopsight.profiles import Profile
from flopsight.record import Record
from flopsight.tracing.fake import metadata_of
from flopsight.tracing.inputs import spec
from flopsight.tracing.naming import names_in
from flopsight.tracing.state import ModuleState
from flopsight.tracing.tracer import profile

_CACHES = ("past_key_values", "cache_params", "state", "mems")
"""What models of transformers call their cache, in what they return and in what they take."""


class Generation(generation.Generation):
    """What it costs to answer a prompt; `print` it to read it."""

    def __str__(self) -> str:
        from flopsight.views.generation import render

        return render(self)


def profile_generate(
    model: nn.Module, *, batch: int = 1, prompt: int, new_tokens: int, inputs: Mapping[str, Any] | None = None
) -> Generation:
    """What it costs to have `model` read a prompt and generate tokens one by one. Nothing is computed.

    The model's own forward is run with its own cache, as `generate` runs it without sampling: on the prompt, then on
    one token at a time. The cost of every step is exact; few of the steps are run, since costs are polynomials in the
    length of the cache, which further steps confirm.

    model: a causal or encoder-decoder model of transformers (`flopsight.sources` builds one without weights).
    batch, prompt, new_tokens: sequences, tokens of each prompt (of the encoder, for a model that has one), and tokens
    generated for each sequence.
    inputs: what the prompt's call takes besides, or in place of token ids (images, audio), as for `flopsight.profile`.

    Raises: InputError, ModelError, NeedsValuesError.
    """
    for name, count in (("batch", batch), ("prompt", prompt), ("new_tokens", new_tokens)):
        if type(count) is not int or count < 1:
            raise InputError(f"{name} is {count!r}; it is a number of at least 1.")
    if named := names_in(inputs):
        raise InputError(
            f"The size {next(iter(named))!r} has a name; give a number for each size of what the prompt takes."
        )
    run = _Run(model, batch, prompt, dict(inputs or {}))
    record, cache_bytes = run.prompt()
    first = 1 if run.decodes_apart else prompt
    found: dict[int, Profile] = {}

    def measure(length: int) -> Step:
        found[length], size = run.step(length)
        return _step(found[length], size)

    decode = curve(measure, first, first + new_tokens - 2)
    step = found.get(first)
    return Generation(
        model=record.model,
        batch=batch,
        prompt=prompt,
        new_tokens=new_tokens,
        prefill=_step(record, cache_bytes),
        decode=decode,
        record=record,
        step=step,
        unknown=tuple(dict.fromkeys(name for each in (record, *found.values()) for name in each.unknown)),
        notes=tuple(dict.fromkeys(note for each in (record, *found.values()) for note in each.notes)),
    )


def _step(record: Record, cache_bytes: int) -> Step:
    return Step(record.macs, record.cost.exact, weight_bytes(record), cache_bytes)


class _Run:
    """The calls of one model.

    decodes_apart: whether the prompt is an encoder's, and the cache begins with the decoder's first token.
    """

    def __init__(self, model: nn.Module, batch: int, prompt: int, inputs: dict[str, Any]) -> None:
        self._model = model
        self._takes = inspect.signature(model.forward).parameters
        config = getattr(model, "config", None)
        if config is None or "use_cache" not in self._takes:
            raise InputError(
                f"{type(model).__name__} keeps no cache that flopsight knows how to fill: it has no config, or its "
                "forward takes no use_cache. Give a model of transformers that generates, with its head "
                "(LlamaForCausalLM), or profile one of its calls with flopsight.profile."
            )
        self.decodes_apart = bool(getattr(config, "is_encoder_decoder", False))
        self._options: dict[str, Any] = {"use_cache": True}
        if "logits_to_keep" in self._takes:
            self._options["logits_to_keep"] = 1
        self._batch = batch
        self._prompt = prompt
        self._inputs = inputs

    def _ids(self, length: int) -> dict[str, Any]:
        name = "decoder_input_ids" if self.decodes_apart else "input_ids"
        return {name: spec(self._batch, length, dtype="int64")}

    def _given(self, length: int) -> dict[str, Any]:
        """What the call takes that fills the cache with that many tokens."""
        if not self.decodes_apart:
            return {**self._ids(length), **self._inputs}
        main = str(self._model.main_input_name)
        encoder = {} if main in self._inputs else {main: spec(self._batch, self._prompt, dtype="int64")}
        return {**encoder, **self._inputs, **self._ids(length)}

    def prompt(self) -> tuple[Profile, int]:
        """The call that reads the prompt, and the bytes of the cache after it."""
        return self._profile([self._given(1 if self.decodes_apart else self._prompt)])

    def step(self, length: int) -> tuple[Profile, int]:
        """The call of one token with that many in the cache, and the bytes of the cache after it."""
        both, cache_bytes = self._profile([self._given(length), self._ids(1)])
        return _last_call(both), cache_bytes

    def _profile(self, calls: list[dict[str, Any]]) -> tuple[Profile, int]:
        cache_bytes: list[int] = []
        with torch.no_grad():  # as `generate` does; a cache that is written would be kept alive by its own graph
            record = profile(_calls(self._model, self._options, cache_bytes), calls)
        return record, cache_bytes[-1]  # a run that needs gradients is made twice


def _calls(model: nn.Module, options: dict[str, Any], cache_bytes: list[int]) -> Callable[..., None]:
    """Calls of a model one after the other, each with the cache that the one before it left; the last one's size."""

    def run(*calls: dict[str, Any]) -> None:
        before: dict[str, Any] = {}
        for given in calls:
            out = model(**given, **before, **options)
            name, cache = next(((name, getattr(out, name)) for name in _CACHES if _has(out, name)), ("", None))
            if cache is None:
                kind = type(model).__name__
                raise InputError(f"{kind} returns no cache ({', '.join(_CACHES)}), so it cannot generate.")
            before = {name: cache}
            if (encoded := getattr(out, "encoder_last_hidden_state", None)) is not None:
                before["encoder_outputs"] = (encoded,)
        held = {id(tensor): metadata_of(tensor).spec for tensor in ModuleState.tensors_below(cache)}
        cache_bytes.append(sum(spec.nbytes for spec in held.values() if spec.ndim))  # a cache also counts its tokens

    run.__self__ = model  # type: ignore[attr-defined]  # as of a bound method: the paths are the model's
    return run


def _has(out: Any, name: str) -> bool:
    return getattr(out, name, None) is not None


def _last_call(record: Profile) -> Profile:
    """The part of a record that the last call of the model itself made."""
    last = max(index for index, scope in enumerate(record.scopes) if not scope.path and scope.call == 1)
    inside = {last}
    for index, scope in enumerate(record.scopes):
        if scope.parent in inside:
            inside.add(index)
    return replace(record, calls=[call for call in record.calls if call[1] in inside])
