"""A stand-in has the strides of the real kernel's result: in programs that look at them, and operator by operator."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import flopsight
from flopsight.tracing.fake import make, metadata_in, metadata_of
from flopsight.tracing.metadata import metadata
from flopsight.tracing.operators.operation import info_of
from flopsight.tracing.operators.results import infer

aten = torch.ops.aten


def columns(*shape):
    """Last two dimensions swapped in memory."""
    return torch.rand(shape).mT.contiguous().mT


def channels_last(*shape):
    """The second dimension innermost in memory."""
    return torch.rand(shape).movedim(1, -1).contiguous().movedim(-1, 1)


def gaps(*shape):
    """Every other element of a larger tensor."""
    return torch.rand(*shape[:-1], shape[-1] * 2)[..., ::2]


def repeated(*shape):
    """One element of the first dimension, repeated by stride 0."""
    return torch.rand(1, *shape[1:]).expand(shape)


LAYOUTS = [torch.rand, columns, channels_last, gaps, repeated]


@pytest.mark.parametrize("default", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("around", ["cpu", "meta"])
def test_a_stand_in_is_what_is_known_of_it(default, device, around):
    torch.set_default_dtype(default)
    try:
        for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.int64):
            for shape, stride in (((), ()), ((5,), (1,)), ((2, 3), (3, 1)), ((2, 3), (1, 2)), ((2, 0, 3), (3, 3, 1))):
                known = metadata(shape, stride, dtype, torch.device(device))
                with torch.device(around):
                    made = make(known)
                assert (made.shape, made.stride(), made.dtype, made.device.type) == (shape, stride, dtype, device)
    finally:
        torch.set_default_dtype(torch.float32)


class Flat(nn.Module):
    """A view of the result of a function of `x` with its last dimensions swapped."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x.transpose(1, 2)).view(x.shape[0], -1)


@pytest.mark.parametrize(
    "function",
    [
        nn.BatchNorm1d(8), nn.BatchNorm1d(8).eval(), F.logsigmoid, lambda x: x.masked_fill(x < 0, 0.0),
        lambda x: torch.bernoulli(x.sigmoid()), lambda x: 2**x,
    ],
)  # fmt: skip
def test_results_that_are_c_arrays_can_be_viewed(function):
    model = Flat(function)
    x = torch.rand(2, 5, 8)
    assert flopsight.profile(model, x).total("exact") == flopsight.profile(model, x, execute=True).total("exact")


class Attention(nn.Module):
    """Attention over the pixels of an image, which takes its fast path only for the strides that views leave."""

    def __init__(self):
        super().__init__()
        self.project = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        q = self.project(x).view(1, 1, 8, -1).transpose(2, 3)
        return F.scaled_dot_product_attention(q, q, q, is_causal=True)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_attention_after_a_convolution_takes_the_path_of_the_real_run(layout):
    model, x = Attention().eval().to(memory_format=layout), torch.rand(1, 8, 6, 6).to(memory_format=layout)
    fake, real = flopsight.profile(model, x), flopsight.profile(model, x, execute=True)
    assert fake.total("exact") == real.total("exact")
    assert {*fake.by_operator()} - {"aten::detach"} == {*real.by_operator()} - {"aten::detach"}


def holds(func, *args, **kwargs):
    """Fails unless the stand-in of this call has the shape, strides and dtype of the real result."""
    said = infer(info_of(func), tuple(map(metadata_in, args)), {k: metadata_in(v) for k, v in kwargs.items()})
    done = func(*args, **kwargs)
    pairs = zip(said, done, strict=True) if isinstance(done, (list, tuple)) else [(said, done)]
    for one, real in pairs:
        assert one is (None if real is None else metadata_of(real)), (func, one.stride, real.stride(), args[0].stride())


CONVOLUTIONS = [
    (dims, transposed, batch, groups, kernel, stride)
    for dims in (1, 2, 3)
    for transposed in (False, True)
    for batch, groups in ((1, 1), (2, 2), (16, 1))
    for kernel, stride in ((1, 1), (3, 2))
]


@pytest.mark.parametrize(("dims", "transposed", "batch", "groups", "kernel", "stride"), CONVOLUTIONS)
def test_convolution(dims, transposed, batch, groups, kernel, stride):
    for of_input, of_weight, dtype in itertools.product(LAYOUTS[:4], LAYOUTS[:3], DTYPES[: 1 + (dims == 2)]):
        input = of_input(batch, 4, *(5,) * dims).to(dtype)
        weight = of_weight(4, 4 // groups, *(kernel,) * dims).to(dtype)
        rest = ([stride] * dims, [0] * dims, [1] * dims, transposed, [0] * dims, groups)
        holds(aten.convolution.default, input, weight, None, *rest)
        grad = torch.rand_like(aten.convolution.default(input, weight, None, *rest))
        holds(aten.convolution_backward.default, grad, input, weight, [4], *rest, [True, True, True])


DTYPES = (torch.float32, torch.float64)
SHAPES = [(3, 4), (2, 1, 3), (1, 3, 4), (2, 4, 5, 6), (1, 4, 3, 3), (2, 1, 4, 4), (2, 3, 1, 1), (2, 2, 3, 4, 5)]
TENSORS = [make(*shape) for shape in SHAPES for make in LAYOUTS]
UNARY = [
    "relu", "neg", "exp", "sigmoid", "gelu", "silu", "sqrt", "isnan",
    "logical_not", "clone", "log_sigmoid_forward", "bernoulli", "ones_like", "zeros_like", "empty_like", "rand_like",
    "abs", "sign", "cumsum", "sort", "native_dropout", "hardtanh", "elu", "floor",
    "sgn", "tril", "triu", "roll", "flip",
]  # fmt: skip
EXTRA = {"cumsum": (0,), "native_dropout": (0.5, True), "roll": ([1], [0]), "flip": ([0],)}


@pytest.mark.parametrize("name", UNARY)
def test_of_one_tensor(name):
    for tensor in TENSORS:
        holds(getattr(aten, name).default, tensor, *EXTRA.get(name, ()))


BINARY = [
    "add", "sub", "mul", "div", "maximum", "minimum", "eq", "lt",
    "logical_and", "logical_or", "logical_xor", "atan2", "fmod", "remainder", "hypot", "logaddexp",
    "copysign", "heaviside", "xlogy", "pow", "rsub", "floor_divide", "fmax", "special_xlog1py",
    "masked_fill", "where", "ldexp",
]  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_of_two_tensors(name):
    packet = getattr(aten, name)
    overload = next(o for o in ("Tensor", "default", "Tensor_Tensor", "self") if o in packet.overloads())
    func = getattr(packet, overload)
    for shape in SHAPES:
        thin = [make(*(1,) * (axis % len(shape)), *shape[axis % len(shape) :]) for make in LAYOUTS for axis in (1, 2)]
        pool = [make(*shape) for make in LAYOUTS] + thin[::2] + [torch.rand(()), torch.rand(shape[-1])]
        for one, other in itertools.product(pool, pool):
            if name in ("masked_fill", "where"):
                holds(aten.masked_fill.Scalar, one, other > 0.5, 0.0)
                holds(aten.where.self, other > 0.5, one, one)
            else:
                holds(func, one, other)
                if name in ("add", "mul"):
                    holds(func, one, other.double())
                    holds(func, one > 0.5, other)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "eq", "lt", "pow"])
def test_with_a_number(name):
    for tensor in TENSORS:
        if name == "pow":
            holds(aten.pow.Tensor_Scalar, tensor, 2)
            holds(aten.pow.Scalar, 2, tensor)
        else:
            overload = "Tensor" if name in ("add", "sub", "mul", "div") else "Scalar"
            holds(getattr(getattr(aten, name), overload), tensor, torch.tensor(2.0) if overload == "Tensor" else 2)


@pytest.mark.parametrize("training", [True, False])
def test_batch_normalization(training):
    for tensor in TENSORS:
        if tensor.dim() > 2:
            c = torch.rand(tensor.shape[1])
            holds(aten.native_batch_norm.default, tensor, c, c, c.clone(), c.clone(), training, 0.1, 1e-5)
            holds(aten._native_batch_norm_legit.default, tensor, c, c, c.clone(), c.clone(), training, 0.1, 1e-5)


@pytest.mark.parametrize("tensor", TENSORS[15:])
def test_padding(tensor):
    if tensor.dim() == 4:
        for name in ("reflection_pad2d", "replication_pad2d"):
            if min(tensor.shape[2:]) > 1:
                holds(getattr(aten, name).default, tensor, [1, 0, 0, 1])


@pytest.mark.parametrize("name", ["linalg_eig", "_linalg_svd"])
def test_matrices_by_columns(name):
    for laid in LAYOUTS[:4]:
        for shape in ((3, 3), (2, 4, 4)):
            holds(getattr(aten, name).default, laid(*shape))


def test_a_profile_notes_that_a_model_asked_where_in_memory_a_view_begins():
    def model(x):
        return x[1:].sin() if x[1:].storage_offset() else x[1:].cos() * 2

    x = torch.rand(4, 3)
    assert flopsight.profile(model, x).total("exact") > flopsight.profile(model, x, execute=True).total("exact")
    (note,) = flopsight.profile(model, x).notes
    assert "test_layouts.py" in note and note.endswith("asks for a storage_offset(): taken as 0, as of no view.")
    assert not flopsight.profile(model, x, execute=True).notes
