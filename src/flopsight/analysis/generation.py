"""What it costs to generate text: a prompt at once, then token by token against a growing cache. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from flopsight.analysis.assisted import Assisted
from flopsight.analysis.curves import Curve, Step, Work
from flopsight.cost import FLOPS_PER_MAC
from flopsight.record import Record


class Component(NamedTuple):
    """A part of the model: path: its module's, empty for what no component does. kind: its class.

    prefill: its share of the call that reads the prompt. decode: its share of each step.
    """

    path: str
    kind: str
    prefill: Work
    decode: Curve[Work]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of prefill and all steps."""
        return self.prefill.macs + self.decode.total("macs")


@dataclass(frozen=True)
class Generation:
    """What it costs to answer a prompt.

    model: its name. batch, prompt, new_tokens: sequences, tokens of each prompt, tokens generated for each. positions:
    what the prefill reads for each sequence: the prompt and what stands in it for images and sound, or what the encoder
    makes. prefill: the call that reads the prompt and gives the first new token. decode: the steps that give the
    others, by the tokens in the cache. components: the parts of the model, in its order. cache_parts: bytes of the
    cache's parts at its largest, where it has several (an encoder-decoder model's). record: the prefill, operator by
    operator. step: the first step, likewise; None for one new token. assisted: the same with an assistant that drafts,
    if one was given. unknown: operators whose cost is not known, so that every figure is a lower bound. notes: what was
    assumed.
    """

    model: str
    batch: int
    prompt: int
    new_tokens: int
    positions: int
    prefill: Step
    decode: Curve[Step]
    record: Record
    step: Record | None = None
    components: tuple[Component, ...] = ()
    cache_parts: Mapping[str, int] = field(default_factory=dict)
    assisted: Assisted | None = None
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def macs(self) -> int:
        """Multiply-accumulates of prefill and all steps, without an assistant."""
        return self.prefill.macs + self.decode.total("macs")

    @property
    def flops(self) -> int:
        """Two for each multiply-accumulate."""
        return FLOPS_PER_MAC * self.macs

    @property
    def cache_bytes(self) -> int:
        """The cache at its largest, after the last step."""
        return max([self.prefill.cache_bytes, *(step.cache_bytes for step in self.decode)])
