"""Each shape rule for a backward operator against PyTorch's CPU kernel, for tensors laid out in many ways."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from flopsight.tracing import shapes
from flopsight.tracing.fake import metadata_of

aten = torch.ops.aten
F32, F64, BF16, I64 = torch.float32, torch.float64, torch.bfloat16, torch.int64


def laid_out(*shape: int, dtype: torch.dtype = F32) -> list[torch.Tensor]:
    """Tensors of one shape: contiguous, transposed, channels last, sliced, expanded."""
    plain = torch.rand(shape).to(dtype)
    made = [plain, plain.transpose(0, -1).contiguous().transpose(0, -1), torch.rand(*shape, 2).to(dtype)[..., 0]]
    if len(shape) == 4:
        made.append(plain.contiguous(memory_format=torch.channels_last))
    return [*made, torch.rand(1, *shape[1:]).to(dtype).expand(shape)]


def _meta(value: Any) -> Any:
    return metadata_of(value) if isinstance(value, torch.Tensor) else value


def agrees(operator: str, *args: Any) -> bool:
    """Whether the rule applied; fails if it says other than the kernel does, or where the kernel refuses."""
    said = shapes.result(f"aten::{operator}", tuple(map(_meta, args)), {})
    if said is None:
        return False
    done = getattr(aten, operator)(*args)
    alone = isinstance(done, torch.Tensor)
    for one, real in zip((said,) if alone else said, (done,) if alone else done, strict=True):
        if real is None:
            assert one is None
            continue
        assert (one.shape, one.dtype) == (tuple(real.shape), real.dtype), (operator, args)
        seen = [axis for axis, size in enumerate(one.shape) if size != 1]
        assert [one.stride[axis] for axis in seen] == [real.stride(axis) for axis in seen], (operator, args)
    return True


ACTIVATIONS: dict[str, tuple[Any, ...]] = {
    "threshold_backward": (0,), "gelu_backward": (), "silu_backward": (), "sigmoid_backward": (), "tanh_backward": (),
    "leaky_relu_backward": (0.1, False), "hardtanh_backward": (0.0, 6.0), "hardswish_backward": (),
    "hardsigmoid_backward": (), "softplus_backward": (1, 20), "mish_backward": (),
}  # fmt: skip


@pytest.mark.parametrize("operator", ACTIVATIONS)
def test_activations(operator) -> None:
    rest, applied = ACTIVATIONS[operator], 0
    pool = [*laid_out(2, 3, 4, 5), *laid_out(4, 5), *laid_out(2, 3, 4, 5, dtype=F64), *laid_out(2, 3, 4, 5, dtype=BF16)]
    pool += [torch.rand(2, 1, 4, 5), torch.rand(1, 3, 1, 1), torch.rand(()), torch.rand(0, 3)]
    pool.append(torch.ones(4, 5, dtype=I64))
    for grad, saved in itertools.product(pool, pool):
        applied += agrees(operator, grad, saved, *rest)
    assert applied > 8


@pytest.mark.parametrize("operator", ["_softmax_backward_data", "_log_softmax_backward_data"])
def test_softmax(operator) -> None:
    pool = [t for dtype in (F32, F64, BF16) for t in laid_out(2, 3, 4, 5, dtype=dtype)] + [
        torch.rand(()),
        torch.rand(4),
    ]
    cases = itertools.product(pool, pool, (-1, 0, 2), (F32, BF16))
    assert sum(agrees(operator, *case) for case in cases if case[0].shape == case[1].shape) > 8


@pytest.mark.parametrize("mask", [[True] * 3, [True, False, False], [False, True, True]])
def test_normalization(mask) -> None:
    pool = [t for dtype in (F32, F64) for t in laid_out(2, 3, 4, 5, dtype=dtype)]
    layer = batch = 0
    for grad, given in itertools.product(pool, pool):
        for weight in (torch.rand(5, dtype=given.dtype), torch.rand(10)[::2], None):
            saved = torch.rand(2, 3, 4, 1, dtype=given.dtype)
            layer += agrees("native_layer_norm_backward", grad, given, [5], saved, saved, weight, weight, mask)
        for weight, train in itertools.product((torch.rand(3, dtype=given.dtype), None), (True, False)):
            saved = torch.rand(3, dtype=given.dtype)
            batch += agrees(
                "native_batch_norm_backward", grad, given, weight, saved, saved, saved, saved, train, 1e-5, mask
            )
    assert (layer > 0, batch > 0) == (all(mask), True)


def test_convolution() -> None:
    applied = 0
    for sizes in ((9,), (9, 8), (9, 8, 7)):
        for (size, step, pad, gap, groups), dtype in itertools.product(
            ((3, 1, 1, 1, 1), (3, 2, 0, 1, 2), (1, 1, 0, 1, 4), (2, 1, 1, 2, 1)), (F32, F64)
        ):
            for given in laid_out(2, 4, *sizes, dtype=dtype):
                weight = torch.rand(8, 4 // groups, *(size,) * len(sizes), dtype=dtype)
                places = ([step] * len(sizes), [pad] * len(sizes), [gap] * len(sizes), False, [0] * len(sizes), groups)
                out = aten.convolution(given, weight, None, *places)
                for grad in laid_out(*out.shape, dtype=dtype):
                    for mask in ([True, True, True], [False, True, False], [True, True, False]):
                        applied += agrees("convolution_backward", grad, given, weight, [8], *places, mask)
    assert applied > 40


def test_pooling() -> None:
    applied = 0
    for given in laid_out(2, 3, 9, 8):
        places = ([3, 3], [2, 2], [1, 1], [1, 1], False)
        out, indices = aten.max_pool2d_with_indices(given, *places)
        for grad in laid_out(*out.shape):
            applied += agrees("max_pool2d_with_indices_backward", grad, given, *places, indices)
    assert applied > 1


def test_look_up() -> None:
    applied = 0
    for shape in ((2, 5), (4,)):
        indices = torch.randint(0, 7, shape)
        for grad in [*laid_out(*shape, 3), *laid_out(*shape, 3, dtype=F64), torch.rand(*shape, 1)]:
            applied += agrees("embedding_dense_backward", grad, indices, 7, -1, False)
    assert applied > 4


def test_every_rule_is_tested() -> None:
    tested = {
        *ACTIVATIONS, "_softmax_backward_data", "_log_softmax_backward_data", "native_layer_norm_backward",
        "native_batch_norm_backward", "convolution_backward", "max_pool2d_with_indices_backward",
        "embedding_dense_backward",
    }  # fmt: skip
    rules = {name for name in shapes.RULES if shapes.RULES[name].__module__ == shapes.gradients.__name__}
    assert {name.partition("::")[2] for name in rules} == tested
