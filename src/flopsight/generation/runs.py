"""Calls of a model that generates: on a prompt, then on tokens that find it in the cache."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import nn

from flopsight.analysis.curves import Step
from flopsight.analysis.weights import weight_bytes
from flopsight.errors import InputError
from flopsight.profiles import Profile
from flopsight.tracing.fake import metadata_of
from flopsight.tracing.given.inputs import Spec, spec
from flopsight.tracing.tracer import profile
from flopsight.tracing.untouched.state import ModuleState

_CACHES = ("past_key_values", "cache_params", "state", "mems")
"""What models of transformers call their cache, in what they return and in what they take."""


class Held(NamedTuple):
    """What a model holds after a call: tokens in its cache (0 if that does not say), what its encoder made of a
    sequence, bytes of the cache by the names of its parts.
    """

    tokens: int
    encoded: int
    parts: dict[str, int]


class Encoded(NamedTuple):
    """What an encoder made of a prompt, as models take it back: by position or by name."""

    last_hidden_state: Any
    hidden_states: None = None
    attentions: None = None
    attention_mask: None = None


class Measured(NamedTuple):
    """One call: its operators, and what the model holds after it."""

    record: Profile
    held: Held

    @property
    def step(self) -> Step:
        """What the call costs."""
        record = self.record
        return Step(record.macs, record.cost.exact, weight_bytes(record), sum(self.held.parts.values()))


class Run:
    """The calls of one model.

    decodes_apart: whether the prompt is an encoder's, and the cache begins with the decoder's first token.
    """

    def __init__(self, model: nn.Module, batch: int, prompt: int, inputs: Mapping[str, Any]) -> None:
        self._model = model
        takes = inspect.signature(model.forward).parameters
        config = getattr(model, "config", None)
        passes_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
        if config is None or not ("use_cache" in takes or passes_on):
            raise InputError(
                f"{type(model).__name__} keeps no cache that flopsight knows how to fill: it has no config, or its "
                "forward takes no use_cache. Give a model of transformers that generates, with its head "
                "(LlamaForCausalLM), or profile one of its calls with flopsight.profile."
            )
        self.decodes_apart = bool(getattr(config, "is_encoder_decoder", False))
        self._keeps = "logits_to_keep" in takes
        self._batch = batch
        self._prompt = prompt
        self._inputs = dict(inputs)
        self._own_ids = tuple(getattr(inputs.get("input_ids"), "shape", ()))
        if self._own_ids and (len(self._own_ids) != 2 or self._own_ids[0] != batch):
            raise InputError(
                f"input_ids has the sizes {list(self._own_ids)}, and there are {batch} sequences; give it one row for "
                "each sequence."
            )
        self._beside = 0
        """Tokens in the cache that no id stands for."""

    @property
    def ids(self) -> int:
        """How many ids the prompt's call takes for each sequence."""
        return 1 if self.decodes_apart else self._own_ids[1] if self._own_ids else self._prompt

    def prompt(self) -> Measured:
        """The call that reads the prompt, and gives the first new token."""
        found = self._profile([self._given(self.ids)])
        self._beside = max(0, found.held.tokens - self.ids)
        return found

    def whole(self, length: int, kept: int) -> Measured:
        """The call that reads so many ids at once, with no cache, and tells what follows each of the last `kept`."""
        return self._profile([self._given(length)], kept)

    def step(self, length: int, ids: int = 1, kept: int = 1) -> Measured:
        """The call of so many ids with `length` tokens in the cache, which tells what follows the last `kept`."""
        both = self._profile([self._given(length - self._beside), self._ids(ids)], kept)
        return both._replace(record=_last_call(both.record))

    def _ids(self, length: int) -> dict[str, Any]:
        name = "decoder_input_ids" if self.decodes_apart else "input_ids"
        return {name: spec(self._batch, length, dtype="int64")}

    def _given(self, length: int) -> dict[str, Any]:
        """What the call takes that fills the cache with that many ids."""
        if not self.decodes_apart:
            given = {**self._ids(length), **self._inputs}
            return {name: self._lengthened(value, length) for name, value in given.items()}
        main = str(self._model.main_input_name)
        encoder = {} if main in self._inputs else {main: spec(self._batch, self._prompt, dtype="int64")}
        return {**encoder, **self._inputs, **self._ids(length)}

    def _lengthened(self, value: Any, length: int) -> Any:
        """What says something of each id, for more of them: each further one is like the last, which is text."""
        more = length - self.ids
        if not more or not isinstance(value, (Spec, torch.Tensor)) or tuple(value.shape) != self._own_ids:
            return value
        if isinstance(value, Spec):
            return spec(self._batch, length, dtype=value.dtype)
        return torch.cat([value, value[:, -1:].expand(-1, more)], dim=1)

    def _profile(self, calls: list[dict[str, Any]], kept: int = 1) -> Measured:
        held: list[Held] = []
        options = [{"use_cache": True, **({"logits_to_keep": 1} if self._keeps else {})} for _ in calls]
        options[-1] |= {"logits_to_keep": kept} if self._keeps else {}
        with torch.no_grad():  # as `generate` does; a cache that is written would be kept alive by its own graph
            record = profile(_calls(self._model, options, held), calls)
        return Measured(record, held[-1])  # a run that needs gradients is made twice


def _calls(model: nn.Module, options: list[dict[str, Any]], held: list[Held]) -> Callable[..., None]:
    """Calls of a model one after the other, each with the cache that the one before it left; what it holds at last."""

    def run(*calls: dict[str, Any]) -> None:
        before: dict[str, Any] = {}
        encoded = None
        for given, opted in zip(calls, options, strict=True):
            out = model(**given, **before, **opted)
            name, cache = next(((name, getattr(out, name)) for name in _CACHES if _has(out, name)), ("", None))
            if cache is None:
                kind = type(model).__name__
                raise InputError(
                    f"{kind} returns no cache ({', '.join(_CACHES)}), so it cannot generate token by token; where it "
                    "hands its text to a language model inside, give that one."
                )
            before = {name: cache}
            if (encoded := getattr(out, "encoder_last_hidden_state", encoded)) is not None:
                before["encoder_outputs"] = Encoded(encoded)
        held.append(Held(_tokens(cache), 0 if encoded is None else encoded.shape[1], _parts(cache)))

    run.__self__ = model  # type: ignore[attr-defined]  # as of a bound method: the paths are the model's
    return run


def _has(out: Any, name: str) -> bool:
    return getattr(out, name, None) is not None


def _tokens(cache: Any) -> int:
    """The tokens in a cache, where it counts them."""
    try:
        found = cache.get_seq_length()
    except (AttributeError, ValueError):  # another kind of cache; one of layers that keep no tokens
        return 0
    return found if isinstance(found, int) else 0


def _parts(cache: Any) -> dict[str, int]:
    """Bytes of a cache by its attributes that hold some: of an encoder-decoder model's those of self- and of
    cross-attention, of others `layers`; under the empty name where it has no attributes.
    """
    parts = vars(cache) if hasattr(cache, "__dict__") else {"": cache}
    seen: set[int] = set()
    found = {}
    for name, part in parts.items():
        tensors = {id(tensor): metadata_of(tensor).spec for tensor in ModuleState.tensors_below(part)}
        found[name] = sum(spec.nbytes for at, spec in tensors.items() if at not in seen and spec.ndim)
        seen |= tensors.keys()  # a cache also counts its tokens, in a tensor without dimensions
    return {name: size for name, size in found.items() if size}


def _last_call(record: Profile) -> Profile:
    """The part of a record that the last call of the model itself made."""
    last = max(index for index, scope in enumerate(record.scopes) if not scope.path and scope.call == 1)
    inside = {last}
    for index, scope in enumerate(record.scopes):
        if scope.parent in inside:
            inside.add(index)
    return replace(record, calls=[call for call in record.calls if call[1] in inside])
