"""PyTorch's own samples of all its operators, in other layouts: is each stand-in what the real kernel returns?

`python tests/fuzz/sweep.py [part of a name]` prints the calls in which one differs, forward and backward.
"""

from __future__ import annotations

import multiprocessing
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from kernels import Compared, tensors

Layout = Callable[[torch.Tensor], torch.Tensor]

DTYPES = (torch.float32, torch.int64, torch.bool, torch.complex64, torch.bfloat16)
FORK = multiprocessing.get_context("fork")


def _swapped(one: int, other: int) -> Layout:
    return lambda t: t.transpose(one, other).contiguous().transpose(one, other) if t.dim() > 1 else t


def _gaps(t: torch.Tensor) -> torch.Tensor:
    if not t.dim():
        return t
    wide = torch.zeros(*t.shape[:-1], t.shape[-1] * 2, dtype=t.dtype)
    wide[..., ::2] = t
    return wide[..., ::2]


LAYOUTS: dict[str, Layout] = {
    "contiguous": lambda t: t,
    "transposed": _swapped(-1, -2),
    "first last": _swapped(0, -1),
    "channels last": lambda t: t.movedim(1, -1).contiguous().movedim(-1, 1) if t.dim() > 2 else t,
    "with gaps": _gaps,
    "repeated": lambda t: t[:1].expand_as(t) if t.dim() else t,
    "repeated at the end": lambda t: t[..., :1].expand_as(t) if t.dim() else t,
}

THIN: dict[str, Layout] = {
    "first alone, last innermost": lambda t: _swapped(0, -1)(t[:1]) if t.dim() else t,
    "one column of rows": lambda t: _swapped(-1, -2)(t)[..., :1] if t.dim() else t,
    "one row of columns": lambda t: _swapped(0, -1)(t)[:1] if t.dim() else t,
    "one channel": lambda t: t.movedim(1, -1).contiguous().movedim(-1, 1)[:, :1] if t.dim() > 2 else t,
}
"""Dimensions of size 1, whose strides say nothing: here those are not what they would be in a new tensor."""

NOT_THIN = ("conv", "embedding", "norm", "pool", "segment")
"""Parts of the names of operators whose arguments no longer fit if each is made thin; some then leave their memory."""


def _laid_out(value: Any, layout: Layout, grad: bool) -> Any:
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided:
            return value
        laid = layout(value.detach())
        return laid.requires_grad_(grad and value.requires_grad)
    if isinstance(value, (list, tuple)):
        return type(value)(_laid_out(item, layout, grad) for item in value) if type(value) in (list, tuple) else value
    return {name: _laid_out(item, layout, grad) for name, item in value.items()} if isinstance(value, dict) else value


def _gradients(outputs: list[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    yield [torch.ones((), dtype=t.dtype).expand(t.shape) for t in outputs]
    yield [torch.ones_like(t) for t in outputs]
    yield [_swapped(0, -1)(torch.ones_like(t)) for t in outputs]


def run(op: Any, mode: Compared, dtype: torch.dtype) -> None:
    """Every sample of an operator, in every layout, forward and backward; in place and given where to write."""
    differentiable = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
    layouts = {**LAYOUTS, **({} if any(part in op.name for part in NOT_THIN) else THIN)}
    for sample in op.sample_inputs("cpu", dtype, requires_grad=differentiable):
        for layout in layouts.values():
            for grad in (False, True)[: 1 + differentiable]:
                _run(op, op.op, sample, layout, grad, mode)
            if op.inplace_variant is not None:
                _run(op, op.inplace_variant, sample, layout, False, mode)
            if op.supports_out:
                _run(op, partial(op.op, out=torch.empty(0, dtype=dtype)), sample, layout, False, mode)


def _run(op: Any, function: Any, sample: Any, layout: Layout, grad: bool, mode: Compared) -> None:
    with suppress(Exception):  # a layout that the operator refuses
        given, args, kwargs = (_laid_out(part, layout, grad) for part in (sample.input, sample.args, sample.kwargs))
        with mode, torch.set_grad_enabled(grad):
            outputs = [t for t in tensors(function(given, *args, **kwargs)) if t.requires_grad]
            for gradients in _gradients(outputs) if outputs else ():
                torch.autograd.backward(outputs, gradients, retain_graph=True)


def swept(op: Any) -> tuple[dict[str, list[str]], int]:
    """In what the stand-ins of an operator, and of those in its backward pass, differ; the number of calls compared."""
    mode = Compared()
    for dtype in DTYPES:
        if dtype in op.supported_dtypes("cpu"):
            run(op, mode, dtype)
    return mode.differing, len(mode.seen)


def _in_a_process_of_its_own(op: Any) -> tuple[dict[str, list[str]], int]:
    """A kernel that leaves its memory ends that process, and is said to."""
    receive, send = FORK.Pipe(duplex=False)
    process = FORK.Process(target=lambda: send.send(swept(op)))
    process.start()
    send.close()
    try:
        found: tuple[dict[str, list[str]], int] = receive.recv()
    except EOFError:
        found = {op.name: ["PyTorch's own kernel ended the process"]}, 0
    process.join()
    return found


def main(wanted: str) -> bool:
    """Print what differs in operators whose names hold `wanted`; whether anything does."""
    from torch.testing._internal.common_methods_invocations import op_db

    differing: dict[str, list[str]] = {}
    calls = operators = 0
    for op in (op for op in op_db if wanted in op.name):
        found, compared = _in_a_process_of_its_own(op)
        operators, calls = operators + 1, calls + compared
        for name, said in found.items():
            if name not in differing:
                print(f"{name} (in {op.name}): {said[0]}", flush=True)
            differing.setdefault(name, []).extend(said)
    print(f"{calls} calls of {operators} operators and what they are made of, {len(differing)} operators differ")
    return bool(differing)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    sys.exit(main("".join(sys.argv[1:])))
