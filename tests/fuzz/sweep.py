"""PyTorch's own samples of all its operators, in other layouts: is each stand-in what the real kernel returns?

`python tests/fuzz/sweep.py [part of a name]` prints the calls in which one differs, forward and backward.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from kernels import Compared, tensors

Layout = Callable[[torch.Tensor], torch.Tensor]


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
    "first alone, last dimensions swapped": lambda t: (
        t[:1].transpose(0, -1).contiguous().transpose(0, -1) if t.dim() else t
    ),
    "one column of rows": lambda t: _swapped(-1, -2)(t)[..., :1] if t.dim() else t,
    "one row of columns": lambda t: _swapped(0, -1)(t)[:1] if t.dim() else t,
    "one channel": lambda t: t.movedim(1, -1).contiguous().movedim(-1, 1)[:, :1] if t.dim() > 2 else t,
    "repeated": lambda t: t[:1].expand_as(t) if t.dim() else t,
    "repeated at the end": lambda t: t[..., :1].expand_as(t) if t.dim() else t,
}


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
    for sample in op.sample_inputs("cpu", dtype, requires_grad=differentiable):
        for layout in LAYOUTS.values():
            for grad in (False, True)[: 1 + differentiable]:
                _run(op, op.op, sample, layout, grad, mode)
            if op.inplace_variant is not None:
                _run(op, op.inplace_variant, sample, layout, False, mode)
            if op.supports_out:
                _run(op, partial(op.op, out=torch.empty(0, dtype=dtype)), sample, layout, False, mode)


def _run(op: Any, function: Any, sample: Any, layout: Layout, grad: bool, mode: Compared) -> None:
    try:
        given, args, kwargs = (_laid_out(part, layout, grad) for part in (sample.input, sample.args, sample.kwargs))
        with mode, torch.set_grad_enabled(grad):
            outputs = [t for t in tensors(function(given, *args, **kwargs)) if t.requires_grad]
            if outputs:
                for gradients in _gradients(outputs):
                    torch.autograd.backward(outputs, gradients, retain_graph=True)
    except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError, AttributeError, AssertionError):
        pass


if __name__ == "__main__":
    from torch.testing._internal.common_methods_invocations import op_db

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    import time

    mode = Compared()
    for op in op_db:
        if wanted in op.name:
            begun = time.time()
            print(op.name, op.variant_test_name, file=sys.stderr, flush=True)
            for dtype in (torch.float32, torch.int64, torch.bool, torch.complex64, torch.bfloat16):
                if dtype in op.supported_dtypes("cpu"):
                    try:
                        run(op, mode, dtype)
                    except Exception as e:
                        print("!!", op.name, dtype, repr(e)[:300], file=sys.stderr)
            if time.time() - begun > 5:
                print(op.name, time.time() - begun, file=sys.stderr, flush=True)
    for name, said in sorted(mode.differing.items()):
        print(len(said), name)
        for line in said[:8]:
            print("    ", line[:600])
    print(len(mode.seen), "calls,", len(mode.differing), "operators differ")
