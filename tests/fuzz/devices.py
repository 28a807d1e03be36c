"""PyTorch's own samples of all its operators, with a weight on the meta device among others: do they cost the same?

`python tests/fuzz/devices.py [part of a name]` prints the operators that do not.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from kernels import tensors

import flopsight
from flopsight.tracing.memo import MEMO

_GRADIENT = "the gradient is an ordinary tensor of zeros, which PyTorch then refuses, as it is not on the meta device"
KNOWN = {
    **dict.fromkeys(("cat", "copysign", "nextafter", "normal", "nn.functional.linear_cross_entropy"), _GRADIENT),
    "nn.functional.gaussian_nll_loss": "it reads the values of a variance",
}
"""Operators that are refused, with the reason."""
SAMPLES = 12


class Weighted(nn.Module):
    """An operator on a sample, one tensor of which is a weight."""

    def __init__(self, function: Any, sample: Any, at: torch.Tensor, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self._function, self._sample, self._at = function, sample, at

    def forward(self, *given: torch.Tensor) -> Any:
        others = iter(given)

        def filled(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return self.weight if value is self._at else next(others)
            if isinstance(value, dict):
                return {name: filled(item) for name, item in value.items()}
            return type(value)(map(filled, value)) if type(value) in (list, tuple) else value

        args = filled((self._sample.input, self._sample.args))
        return self._function(args[0], *args[1], **filled(self._sample.kwargs))


def _outcome(model: nn.Module, given: list[torch.Tensor], backward: bool) -> Any:
    """The calls that cost something; a sentence if it fails."""
    MEMO.calls.clear()
    try:
        record = flopsight.profile(model, tuple(given), backward=backward)
    except flopsight.errors.FlopsightError as error:
        return str(error)
    return [(c.operation.name, c.operation.cost, c.module) for c in record if c.operation.cost != flopsight.cost.ZERO]


def _cases(op: Any) -> Iterator[tuple[Any, torch.Tensor, list[torch.Tensor]]]:
    """Samples of different shapes, each of their tensors that can be a weight, and the others."""
    seen: set[Any] = set()
    for sample in op.sample_inputs("cpu", torch.float32):
        given = tensors([sample.input, list(sample.args), sample.kwargs])
        shapes = tuple(t.shape for t in given)
        if shapes in seen or len(given) < 2 or any(t.layout is not torch.strided for t in given):
            continue
        seen.add(shapes)
        for at in given:
            if at.is_floating_point() and sum(each is at for each in given) == 1:
                yield sample, at, [each for each in given if each is not at]
        if len(seen) == SAMPLES:
            return


def differing(op: Any) -> list[str]:
    """Sentences on the samples that cost otherwise, or are refused, where the weight is on the meta device."""
    found = []
    for sample, at, others in _cases(op):
        for backward in (False, True):
            meta, real = (
                _outcome(Weighted(op.op, sample, at, at.detach().to(device)), others, backward)
                for device in ("meta", "cpu")
            )
            if meta != real and not isinstance(real, str):
                found.append(f"{op.name}, backward={backward}: {meta} for {real}")
    return found


def main(wanted: str) -> bool:
    """Print what differs in operators whose names hold `wanted`; whether anything does."""
    from torch.testing._internal.common_methods_invocations import op_db

    differ = False
    for op in op_db:
        if wanted in op.name and torch.float32 in op.dtypes and op.name not in KNOWN:
            with suppress(NotImplementedError):
                for said in differing(op)[:1]:
                    print(said, flush=True)
                    differ = True
    return differ


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    sys.exit(main("".join(sys.argv[1:])))
