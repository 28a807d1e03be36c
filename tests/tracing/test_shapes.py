"""Each shape rule against what PyTorch's CPU kernel really returns."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from versions import tried

from flopsight.tracing import shapes
from flopsight.tracing.fake import metadata_of
from flopsight.tracing.metadata import Metadata

aten = torch.ops.aten
F32, F64, BF16, I64, BOOL = torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool


def tensor(*shape, dtype=F32, order=None, step=1):
    """A tensor of ones; `order` permutes its dimensions in memory, `step` leaves gaps."""
    sizes = [shape[axis] for axis in order] if order else list(shape)
    if step > 1:
        sizes[-1] *= step
    made = torch.ones(sizes, dtype=dtype)
    if step > 1:
        made = made[..., ::step]
    return made.permute([order.index(axis) for axis in range(len(order))]) if order else made


POOL = [
    tensor(2, 3, 4, 5), tensor(2, 3, 4, 5, order=(0, 2, 3, 1)), tensor(2, 3, 4, 5, step=2), tensor(1, 3, 1, 1),
    tensor(5),     tensor(4, 5), tensor(2, 1, 4, 5), tensor(), tensor(1), tensor(2, 3, 4, 5, dtype=F64),
    tensor(dtype=F64),
    tensor(2, 3, 4, 5, dtype=BF16), tensor(2, 3, 4, 5, dtype=I64), tensor(5, dtype=I64), tensor(2, 3, 4, 5, dtype=BOOL),
    tensor(0, 3), tensor(3), tensor(1, 3), tensor(3, 1), tensor(3, 4, order=(1, 0)), tensor(3, 4), tensor(1, 1, 1, 1),
    tensor(2, 1, 4, 5, order=(0, 2, 3, 1)), tensor(2, 3, 1, 1, order=(0, 2, 3, 1)), tensor(3, 1, 4, order=(2, 0, 1)),
]  # fmt: skip
NUMBERS = [2, 0.5, True]

BINARY = ["add", "sub", "mul", "maximum", "minimum", "eq", "lt", "logical_and", "div"]
UNARY = [
    "relu", "neg", "gelu", "silu", "hardswish", "hardsigmoid", "leaky_relu", "elu", "softplus", "mish", "bitwise_not",
    "exp", "log", "sqrt", "rsqrt", "sin", "cos", "tanh", "sigmoid", "erf", "reciprocal", "logical_not", "isnan",
    "clone",
]  # fmt: skip


def _meta(value):
    if isinstance(value, torch.Tensor):
        return metadata_of(value)
    return [_meta(item) for item in value] if isinstance(value, list) else value


def agrees(operator, args, kwargs=None):
    """Whether a rule applied; fails if it says other than PyTorch's kernel does."""
    kwargs = kwargs or {}
    said = shapes.result(f"aten::{operator}", tuple(map(_meta, args)), kwargs)
    if said is None:
        return False
    done = getattr(aten, operator)(*args, **kwargs)
    for one, real in zip(*((x,) if isinstance(x, (Metadata, torch.Tensor)) else x for x in (said, done)), strict=True):
        assert (one.shape, one.dtype) == (tuple(real.shape), real.dtype), (operator, args, kwargs)
        significant = [i for i, size in enumerate(one.shape) if size != 1 and real.numel()]
        assert [one.stride[i] for i in significant] == [real.stride(i) for i in significant], (operator, args, kwargs)
    return True


@pytest.mark.parametrize("operator", BINARY)
def test_binary(operator):
    applied = 0
    numbers = [] if operator in ("maximum", "minimum", "logical_and") else NUMBERS
    for a, b in itertools.product(POOL, POOL + numbers):
        try:
            applied += agrees(operator, (a, b))
        except (RuntimeError, TypeError) as error:
            raise AssertionError(f"the rule for {operator} holds where PyTorch refuses: {error}") from error
    assert applied > 100


@pytest.mark.parametrize("operator", UNARY)
def test_unary(operator):
    floating = operator not in ("relu", "neg", "bitwise_not", "logical_not", "isnan", "clone")
    pool = [t for t in POOL if t.is_floating_point() or not floating]
    pool = [t for t in pool if not t.is_floating_point()] if operator == "bitwise_not" else pool
    pool = [t for t in pool if t.dtype != BOOL] if operator in ("neg", "relu") else pool
    assert sum(agrees(operator, (t,)) for t in pool) > 1


REDUCED = [(t,) for t in POOL if t.is_floating_point()] + [
    (t, d, k)
    for t in POOL
    if t.is_floating_point() and t.dim() == 4
    for d in ([-1, -2], [1], [0, 3])
    for k in (True, False)
]
AT = torch.zeros((2, 2), dtype=I64)
CASES = {
    "pow": [(t, e) for t in POOL[:8] for e in (2, 0.5, 3)],
    "clamp": [(t, 0, 1) for t in POOL[:8]] + [(t, 0.0) for t in POOL[:8]],
    "clamp_min": [(t, 0.5) for t in POOL[:8]],
    "convolution": [
        (tensor(2, 4, *sp), tensor(6, 4 // g, *(k,) * len(sp)), bias, [s], [p], [d], False, [0], g)
        for sp in ((9,), (9, 8), (9, 8, 7))
        for k, s, p, d, g in ((3, 1, 1, 1, 1), (3, 2, 0, 1, 2), (2, 1, 1, 2, 1), (1, 2, 0, 1, 2))
        for bias in (None, tensor(6))
    ],
    "native_batch_norm": [
        (tensor(2, 3, 4), w, w, r, r, train, 0.1, 1e-5)
        for w in (None, tensor(3))
        for r, train in ((tensor(3), False), (tensor(3), True), (None, True))
    ],
    "native_layer_norm": [
        (t, n, w, w, 1e-5)
        for t in (tensor(2, 3, 4), tensor(2, 3, 4, order=(0, 2, 1)), tensor(2, 3, 4, step=2))
        for n in ([4], [3, 4])
        for w in (None, tensor(*n))
    ],
    "mm": [(tensor(2, 3), tensor(3, 4)), (tensor(3, 2, order=(1, 0)), tensor(2, 4)), (tensor(0, 3), tensor(3, 4))],
    "mv": [(tensor(2, 3), tensor(3))],
    "bmm": [(tensor(2, 3, 4), tensor(2, 4, 5)), (tensor(2, 3, 4, order=(1, 0, 2)), tensor(2, 4, 5))],
    "addmm": [(bias, tensor(2, 3), tensor(3, 4)) for bias in (tensor(4), tensor(2, 4), tensor())],
    "mean": [(tensor(2, 3, 4), d, k) for d in ([0], [-1, 1], [0, 1, 2]) for k in (True, False)] + REDUCED,
    "sum": [(tensor(2, 3, 4), d, k) for d in ([0], [-1, 1]) for k in (True, False)] + REDUCED,
    "_softmax": [(tensor(2, 3, 4), d, False) for d in (0, 1, -1)] + [(tensor(), 0, False)],
    "_log_softmax": [(tensor(2, 3, 4), d, False) for d in (0, 1, -1)],
    "embedding": [(tensor(7, 3), torch.zeros(s, dtype=I64)) for s in ((2, 4), (), (5,))],
    "cat": [([tensor(2, 3), tensor(2, 5)], 1), ([tensor(2, 3), tensor(4, 3)], -2), ([tensor(2, 3)],)]
    + [([t[..., ::2, ::2, :], t[..., 1::2, ::2, :]], dim) for t in (tensor(2, 4, 6, 3),) for dim in (-1, 1)]
    + [([t, t], 1) for t in POOL if t.dim() > 1]
    + [([a, b], dim) for a in POOL for b in POOL if a.dim() == b.dim() > 1 and a.dtype == b.dtype for dim in (0, -1)],
    "constant_pad_nd": [(t, pad, 0.0) for t in POOL for pad in ([0, 0], [1, 2], [0, 0, 1, 0], [0, 0, 0, 0, 2, 0])],
    "index": [
        (t, [indices.get(axis) for axis in range(max(indices) + 1)])
        for t in POOL
        for indices in ({0: AT}, {1: AT}, {0: AT, 1: AT[0]}, {0: AT, 2: AT}, {1: AT[0], 2: AT[:, :1]}, {3: AT.int()})
    ],
    "new_empty": [(t, size) for t in POOL for size in ([2, 3], [])],
    "_scaled_dot_product_flash_attention_for_cpu": [
        (q, q, q)
        for dtype in (F32, F64, BF16)
        for order in itertools.permutations(range(3))
        for q in (tensor(2, 3, 4, 5, dtype=dtype, order=(*order, 3)),)
    ],
    "clone": [(t,) for t in POOL],
    "max_pool2d_with_indices": [
        (tensor(2, 3, 9, 8), [k], s, [p]) for k, s, p in ((3, [2], 1), (2, [], 0), (2, [1, 2], 1))
    ],
    "_grouped_mm": [
        (tensor(*a, dtype=dtype), tensor(*b, dtype=dtype, order=(*range(len(b) - 2), len(b) - 1, len(b) - 2)), offs)
        for dtype in (F32, BF16)
        for a, b, offs in (
            ((32, 16), (4, 16, 8), torch.tensor([8, 16, 24, 32], dtype=torch.int32)),
            ((4, 8, 16), (16, 32), torch.tensor([8, 16, 24, 32], dtype=torch.int32)),
            ((8, 32), (32, 16), torch.tensor([8, 16, 24, 32], dtype=torch.int32)),
            ((4, 8, 16), (4, 16, 8), None),
        )
    ],
    "slice": [
        (t, dim, start, end, step)
        for t in (tensor(4, 5, 6), tensor(4, 5, 6, order=(2, 0, 1)))
        for dim in (0, -1)
        for start, end, step in ((None, None, 1), (1, 3, 1), (0, -1, 2), (-2, 100, 1), (3, 2, 1), (1, None, 3))
    ],
    "masked_fill": [(tensor(2, 3), tensor(2, 3, dtype=BOOL), 1.0), (tensor(2, 3), tensor(3, dtype=BOOL), 0)],
    "roll": [(tensor(2, 3, 4), [1, 2], [1, 2])],
    "view_copy": [(tensor(4, 6, order=o), n) for o in ((0, 1), (1, 0)) for n in ([24], [-1, 8], [2, 12])],
    "copy_": [(tensor(2, 3), tensor(3)), (tensor(2, 3), tensor(2, 3))],
}  # fmt: skip


@pytest.mark.parametrize("operator", [tried(f"aten::{name}", name) for name in CASES])
def test_case(operator):
    assert sum(agrees(operator, args) for args in CASES[operator]) > 0


SIZES = [(6, 20), (-1, 4), (120,), (2, 3, 4, 5), (2, 3, -1, 1, 5), (5,), (3, -1), (1,), (-1,), (), (0, 3), (7, -1, -1)]
WIDER = [
    (7, 2, 3, 4, 5),
    (2, 3, -1, 5),
    (1, 1, -1, -1, -1, -1),
    (6, 3, 9, 8),
    (2, 5),
    (4, 5),
    (-1, 4, 5),
    (1, 5),
    (),
    (3, 3),
]
LYING = [t for shape in ((4, 5, 6), (2, 1, 60), (4, 1, 30), (1, 120), (2, 3, 4, 5)) for t in (
    *(tensor(*shape, order=order) for order in itertools.permutations(range(len(shape)))), tensor(*shape, step=2),
    tensor(*shape, step=2).transpose(0, 1), tensor(*shape[:-1], 1).expand(shape), tensor(1, *shape[1:]).expand(shape),
)]  # fmt: skip
REGROUPED = [
    (4, 30),
    (20, 6),
    (4, 5, 2, 3),
    (2, 2, 5, 6),
    (2, 60),
    (1, 2, 1, 60, 1),
    (12, 10),
    (6, 4, 5),
    (6, 20),
    (24, 5),
]
VIEWS = {
    "view": [(t, size) for t in POOL for size in SIZES] + [(t, size) for t in LYING for size in SIZES + REGROUPED],
    "_unsafe_view": [(t, size) for t in POOL for size in SIZES],
    "alias": [(t,) for t in POOL],
    "detach": [(t,) for t in POOL],
    "squeeze": [(t, *dim) for t in POOL for dim in ((), (0,), (-1,), (2,), ([0, 2],), ([1, -1],), ([],), (4,))],
    "permute": [(t, dims) for t in POOL for n in (0, 1, 2, 3, 4) for dims in itertools.permutations(range(-1, n - 1))],
    "transpose": [(t, a, b) for t in POOL for a in (-2, 0, 1, 3) for b in (-1, 0, 2)],
    "t": [(t,) for t in POOL],
    "unsqueeze": [(t, dim) for t in POOL for dim in (-5, -1, 0, 1, 2, 4)],
    "select": [(t, dim, index) for t in POOL for dim in (-1, 0, 2) for index in (-1, 0, 2, 7)],
    "expand": [(t, size) for t in POOL for size in WIDER],
}


@pytest.mark.parametrize("operator", VIEWS)
def test_a_view_has_the_strides_of_the_kernel_where_sizes_are_1_too(operator):
    ruled = 0
    for args in VIEWS[operator]:
        try:
            real = getattr(aten, operator)(*args)
        except (RuntimeError, IndexError):
            real = None
        said = shapes.result(f"aten::{operator}", tuple(map(_meta, args)), {})
        assert said is None or said is metadata_of(real), args
        ruled += said is not None
    assert ruled > 10


@pytest.mark.parametrize("operator", ["empty", "zeros", "ones"])
def test_factory(operator):
    assert agrees(operator, ([2, 3],))
    assert agrees(operator, ([],), {"dtype": I64})


@pytest.mark.parametrize("options", [{}, {"dtype": F64}, {"dtype": BOOL}, {"memory_format": torch.preserve_format}])
def test_to_copy(options):
    assert sum(agrees("_to_copy", (t,), options) for t in POOL) > 10


def test_dropout():
    assert agrees("native_dropout", (tensor(2, 3, 4), 0.5, True))


@pytest.mark.parametrize(
    ("operator", "args"),
    [
        ("mm", (tensor(2, 3), tensor(4, 5))),
        ("add", (tensor(2, 3), tensor(4))),
        ("convolution", (tensor(1, 4, 5), tensor(6, 3, 3), None, [1], [0], [1], False, [0], 1)),
        ("cat", ([tensor(2, 3), tensor(3, 2)], 0)),
        ("native_layer_norm", (tensor(2, 3), [4], None, None, 1e-5)),
    ],
)
def test_no_rule_holds_for_what_pytorch_refuses(operator, args):
    with pytest.raises(RuntimeError) as refused:
        getattr(aten, operator)(*args)
    try:
        assert not agrees(operator, args)
    except RuntimeError as error:
        assert str(error) in str(refused.value)  # PyTorch may begin with the operator's name


def test_every_rule_is_tested():
    tested = {*BINARY, *UNARY, *CASES, *VIEWS, "empty", "zeros", "ones", "_to_copy", "native_dropout"}
    same_rule = {
        "rsub", "ne", "le", "gt", "ge", "logical_or", "hardtanh", "bernoulli", "clamp_max", "rand", "randn", "fill_",
        "zero_", "new_ones", "new_zeros",
    }  # fmt: skip
    backward = {name for name in shapes.RULES if shapes.RULES[name].__module__ == shapes.gradients.__name__}
    assert {name.partition("::")[2] for name in shapes.RULES.keys() - backward} <= tested | same_rule


def test_a_permutation_of_two_tensors_is_followed():
    random.seed(0)
    for _ in range(200):
        order = random.sample(range(3), 3)
        agrees("add", (tensor(2, 1, 4, order=tuple(order)), tensor(2, 1, 4)))
