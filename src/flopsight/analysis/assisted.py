"""Assisted (speculative) decoding: an assistant drafts tokens, and one call of the model verifies them. Needs no torch.

K tokens drafted each round · L tokens in the model's cache before a round, all that are known but the last · a the
probability that a drafted token is accepted
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from flopsight.analysis.curves import Curve, Step
from flopsight.cost import FLOPS_PER_MAC


class Round(NamedTuple):
    """One round: draft: all calls of the assistant together, and its cache after them. verify: the model's one call."""

    draft: Step
    verify: Step

    @property
    def macs(self) -> int:
        """Multiply-accumulates of both."""
        return self.draft.macs + self.verify.macs

    @property
    def flops(self) -> int:
        """Two for each multiply-accumulate."""
        return FLOPS_PER_MAC * self.macs


@dataclass(frozen=True)
class Assisted:
    """Generating with an assistant, as transformers' `generate(assistant_model=...)` does it.

    assistant: its name. draft_tokens: K. acceptance: a, if one was given. new_tokens: generated for each sequence.
    first: the round that reads the prompt: the assistant does, and drafts; the model then reads prompt and draft in one
    call. again: the assistant's first call of any other round, which reads two tokens, by L: its cache is set back to
    L - 1. draft: its calls of one token, by the tokens in its cache. verify: the model's call of K + 1 tokens, by L.
    """

    assistant: str
    draft_tokens: int
    acceptance: float | None
    new_tokens: int
    first: Round
    again: Curve[Step]
    draft: Curve[Step]
    verify: Curve[Step]

    def round(self, length: int) -> Round:
        """The round that finds `length` tokens in the model's cache. Raises: KeyError for one that there is not."""
        singly = [self.draft[length + each] for each in range(1, self.draft_tokens)]
        return Round(together([self.again[length], *singly]), self.verify[length])

    @property
    def tokens_per_round(self) -> range:
        """How many tokens a round may give: those that are accepted, and the model's own."""
        return range(1, self.draft_tokens + 2)

    @property
    def expected_tokens(self) -> float | None:
        """(1 - a^(K+1)) / (1 - a), if each token is accepted with probability a whatever came before it."""
        if self.acceptance is None:
            return None
        return sum(self.acceptance**each for each in range(self.draft_tokens + 1))

    @property
    def rounds(self) -> range:
        """How many rounds it may take."""
        return range(ceil(self.new_tokens / (self.draft_tokens + 1)), self.new_tokens + 1)

    @property
    def macs_if_all_accepted(self) -> int:
        """Multiply-accumulates of all rounds where every drafted token is accepted."""
        gained = self.draft_tokens + 1
        return self.first.macs + sum(self.round(at).macs for at in self.verify.lengths[gained - 1 :: gained])

    @property
    def macs_if_none_accepted(self) -> int:
        """Multiply-accumulates of all rounds where no drafted token is accepted."""
        return self.first.macs + sum(self.round(at).macs for at in self.verify.lengths)

    @property
    def expected_macs(self) -> float | None:
        """Multiply-accumulates of all rounds weighted by the probability that there is such a round; None without a."""
        if self.acceptance is None:
            return None
        return self.first.macs + sum(p * self.round(at).macs for at, p in self._probabilities(self.acceptance))

    def _probabilities(self, a: float) -> Iterator[tuple[int, float]]:
        """For each L, the probability that a round begins there."""
        K = self.draft_tokens
        gains = [(m + 1, a**m * (1 - a if m < K else 1)) for m in range(K + 1)]
        reached = {0: 1.0}  # by tokens generated; the first round begins at none
        for tokens in range(self.new_tokens):
            here = reached.pop(tokens, 0.0)
            if tokens:
                yield self.verify.lengths[tokens - 1], here
            for gain, p in gains:
                reached[tokens + gain] = reached.get(tokens + gain, 0.0) + here * p


def together(steps: list[Step]) -> Step:
    """Calls one after the other as one: their work and the weights that each reads, and the cache after the last."""
    return Step(
        sum(step.macs for step in steps),
        sum(step.exact for step in steps),
        sum(step.weight_bytes for step in steps),
        steps[-1].cache_bytes,
    )
