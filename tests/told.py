"""What a run finds where parts are told from tables, and where PyTorch's own code runs."""

from __future__ import annotations

from unittest import mock

import torch
from torch import nn

from flopsight import profile
from flopsight.errors import FlopsightError
from flopsight.tracing.memo import MEMO
from flopsight.tracing.operators.operation import OperatorInfo
from flopsight.tracing.parts import known


def orders(*shape):
    """An input of that shape in several layouts: a C array, dimensions in memory in other orders, gaps, repeated."""
    yield lambda: torch.empty(shape)
    for axes in ((0, *range(2, len(shape)), 1), tuple(reversed(range(len(shape))))):
        if len(shape) > 1:
            yield lambda axes=axes: torch.empty([shape[a] for a in axes]).permute(
                [axes.index(a) for a in range(len(shape))]
            )
    if shape:
        yield lambda: torch.empty((*shape[:-1], 2 * shape[-1]))[..., ::2]
        yield lambda: torch.empty((1, *shape[1:])).expand(shape)


class Calling(nn.Module):
    """Calls an operator or layer on its inputs; keeps what can be seen of the result."""

    def __init__(self, run):
        super().__init__()
        self.run = run

    def forward(self, *tensors):
        out = self.run(*tensors)
        self.seen = out.shape, out.stride(), out.dtype, [out is tensor for tensor in tensors]
        return out


def told(run, tensors):
    """What a run in an empty memory finds, what of it is remembered, and the error it ends with."""
    MEMO.version = None
    model = Calling(run)
    seen = []
    model.register_forward_hook(lambda module, *_: seen.append(module.seen))
    try:
        p = profile(model, list(tensors))
    except (FlopsightError, RuntimeError) as error:
        return str(error.__cause__ or error), set()
    calls = [(repr(p.operations[kind]), scope, phase) for kind, scope, phase in p.calls]
    return (calls, p.notes, seen), {key for key in MEMO.calls if type(key[0]) is OperatorInfo}


def compared(run, tensors):
    """Whether parts were told; what is found is the same as without."""
    made = []
    of = known.Parts.made

    def noted(self, *args, **kwargs):
        made.append(of(self, *args, **kwargs))
        return made[-1]

    with mock.patch.object(known.Parts, "made", noted):
        by_parts, remembered = told(run, tensors)
    with mock.patch.object(known, "HELD_TO", "none"):
        by_code, keys = told(run, tensors)
    assert by_parts == by_code
    assert remembered <= keys  # what an operator inside is remembered under is what PyTorch calls it with
    return bool(made) and made[-1] is not None


def t(*shape, dtype=torch.float32):
    return lambda: torch.empty(shape, dtype=dtype)
