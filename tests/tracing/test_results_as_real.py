"""Stand-ins of single operators beside the results of the real kernels, where PyTorch's meta kernels say otherwise."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from kernels import Compared, tensors
from torch import nn

import flopsight


def swapped(*shape, dtype=torch.float32):
    """The last two dimensions swapped in memory."""
    return torch.rand(shape).mT.contiguous().mT.to(dtype)


def thin(dtype):
    """A C array whose last dimension, of size 1, has a stride that no new C array has."""
    return torch.ones(3, 4, 1, dtype=dtype).as_strided((3, 4, 1), (4, 1, 4))


def one(matrix):
    """A matrix as a batch of one, of one channel, whose stride is not that of a new C array."""
    return matrix.as_strided((1, 1, *matrix.shape), (matrix.numel(), 1, *matrix.stride()))


F32, BF16, C64 = torch.float32, torch.bfloat16, torch.complex64
FORWARD = {
    "group norm": lambda: F.group_norm(torch.rand(1, 6, 6, 8).movedim(-1, 1), 1),
    "group norm, mixed": lambda: F.group_norm(torch.rand(2, 4, 3).to(BF16), 2, torch.rand(4), torch.rand(4)),
    "layer norm, half": lambda: F.layer_norm(torch.rand(3, 4).to(BF16), [4]),
    "layer norm, mixed": lambda: F.layer_norm(torch.rand(3, 4).to(BF16), [4], torch.rand(4), torch.rand(4)),
    "batch norm, half": lambda: F.batch_norm(torch.rand(3, 4).to(BF16), None, None, training=True),
    "batch norm, mixed": lambda: nn.BatchNorm1d(4)(torch.rand(3, 4).to(BF16)),
    "sign": lambda: torch.ones(52, dtype=torch.bool).as_strided((4, 1, 13, 1), (13, 13, 1, 13)).sign(),
    "integers": lambda: thin(torch.int64).nan_to_num(),
    "convolution": lambda: F.conv1d(thin(F32), torch.rand(4, 4, 3), padding=1),
    "flip": lambda: torch.rand(2, 2, 1, 2).as_strided((2, 2, 1, 2), (4, 2, 4, 1)).flip(0),
    "hardtanh": lambda: F.hardtanh(thin(F32)),
    "magnitude": lambda: torch.rand(1, 20, dtype=C64)[:, :10].abs(),
    "angle": lambda: swapped(3, 4, dtype=C64).angle(),
    "masked fill": lambda: swapped(3, 4).masked_fill(torch.ones(3, 4, dtype=torch.bool), torch.tensor(1.0)),
    "power, double": lambda: torch.ldexp(torch.rand(5, 1, 4).double(), swapped(3, 4).double()),
    "bags": lambda: F.embedding_bag(torch.zeros(6).long(), torch.rand(9, 4), torch.tensor([0, 3]), mode="sum"),
    "bags, mean": lambda: F.embedding_bag(torch.zeros(6).long(), torch.rand(9, 4), torch.tensor([0, 3])),
    "bags, maxima": lambda: F.embedding_bag(torch.zeros(6).long(), torch.rand(9, 4), torch.tensor([0, 3]), mode="max"),
    "bags, last": lambda: F.embedding_bag(
        torch.zeros(6).long(), torch.rand(9, 4), torch.tensor([0, 3, 6]), mode="sum", include_last_offset=True
    ),
    "transform": lambda: torch.fft.fft(torch.rand(1, 1, 1, dtype=C64).expand(5, 6, 7), dim=0),
    "transform, real": lambda: torch.fft.rfftn(swapped(5, 6, 7)),
    "copy": lambda: torch.ops.aten.view_copy.default(swapped(3, 4, 5), [12, 5]),
    "positions": lambda: torch.nonzero_static(torch.ones(3, 4), size=5),
    "loss, mixed": lambda: F.huber_loss(torch.rand(5).to(BF16), torch.rand(5)),
    "margin, mixed": lambda: F.soft_margin_loss(torch.rand(5).to(BF16), torch.rand(5)),
    "outer, mixed": lambda: torch.addr(torch.tensor(1.0), torch.rand(5).to(BF16), torch.rand(4).to(BF16)),
    "normal, mixed": lambda: torch.normal(torch.rand(5).to(BF16), torch.rand(5)),
    "membership": lambda: torch.isin(one(torch.rand(4, 4)), torch.rand(3)),
    "poisson": lambda: torch.poisson(one(torch.rand(4, 4))),
    "gamma": lambda: torch._standard_gamma(one(torch.rand(4, 4))),
    "dropout": lambda: torch.native_dropout(thin(F32), 0.5, True),
    "out": lambda: torch.abs(swapped(3, 4), out=torch.empty(0)),
    "out of one": lambda: torch.cat([torch.rand(2, 6, 6, 8).movedim(-1, 1)], out=torch.empty(0)),
    "out of columns": lambda: torch.linalg.householder_product(torch.rand(5, 4), torch.rand(4), out=torch.empty(0)),
}  # fmt: skip


@pytest.mark.parametrize("function", FORWARD.values(), ids=FORWARD)
def test_results(function):
    with Compared() as mode, torch.no_grad():
        try:
            function()
        except RuntimeError as error:
            if "MKL FFT error" not in str(error):
                raise
            pytest.skip(f"PyTorch {torch.__version__} does not compute it: {error}")
    assert mode.seen
    assert not mode.differing


def backward(function, *shape, frozen=False, grad=None):
    """The backward pass of a layer or function of a random tensor."""
    x = torch.rand(shape).requires_grad_(not frozen)
    out = function(x)
    out.backward(torch.ones_like(out) if grad is None else grad(out))


def lying(out):
    """A gradient whose last two dimensions are swapped in memory."""
    return torch.ones_like(out).mT.contiguous().mT


def last_innermost(out):
    """A gradient whose first dimension is innermost in memory."""
    return torch.ones_like(out).movedim(0, -1).contiguous().movedim(-1, 0)


def as_array(out):
    """A gradient that is a new C array."""
    return torch.ones(out.shape)


BACKWARD = {
    "batch norm of what needs no gradient": lambda: backward(nn.BatchNorm2d(3), 2, 3, 4, 5, frozen=True),
    "batch norm": lambda: backward(nn.BatchNorm2d(3), 2, 3, 4, 5, grad=lying),
    "layer norm": lambda: backward(nn.LayerNorm((3, 4)), 2, 3, 4, grad=lying),
    "hardtanh": lambda: backward(F.hardtanh, 5, 6, grad=lying),
    "hardswish": lambda: backward(F.hardswish, 5, 6, grad=lying),
    "leaky": lambda: backward(lambda x: F.leaky_relu(x.expand(6, 5)), 5, grad=lying),
    "threshold": lambda: backward(lambda x: F.threshold(x.expand(6, 5), 1, 2), 5, grad=lying),
    "prelu": lambda: backward(lambda x: F.prelu(x.expand(6, 5), torch.rand(5)), 5, grad=lying),
    "logit": lambda: backward(torch.logit, 5, 6, grad=lying),
    "cross entropy": lambda: backward(
        lambda x: F.binary_cross_entropy(x, torch.rand(5, 6), reduction="none"), 5, 6, grad=lying
    ),
    **{
        f"{name}, mixed": lambda loss=loss: backward(lambda x: loss(x.to(BF16), torch.rand(5, 6)), 5, 6)
        for name, loss in (("mse", F.mse_loss), ("smooth", F.smooth_l1_loss))
    },
    "margin, mixed": lambda: backward(lambda x: F.soft_margin_loss(x.to(BF16), torch.rand(5, 6)), 5, 6),
    "margin": lambda: backward(
        lambda x: F.soft_margin_loss(x.mT, torch.rand(6).expand(5, 6), reduction="none"), 6, 5, grad=lying
    ),
    **{
        name: lambda function=function: backward(lambda x: function(one(x)), 4, 4, grad=as_array)
        for name, function in (
            ("softplus", F.softplus), ("elu", F.elu), ("hardsigmoid", F.hardsigmoid),
            ("rrelu", F.rrelu), ("rrelu, drawn", lambda x: F.rrelu(x, training=True)),
        )
    },
    "layer norm, mixed": lambda: backward(lambda x: nn.LayerNorm(4)(x.to(BF16)), 3, 4),
    "layer norm of nothing, mixed": lambda: backward(lambda x: nn.LayerNorm(4)(x.to(BF16)), 0, 4),
    "layer norm of nothing, mixed, shifted": lambda: backward(
        lambda x: F.layer_norm(x.to(BF16), [4], None, nn.Parameter(torch.rand(4))), 0, 4
    ),
    "group norm, mixed": lambda: backward(lambda x: nn.GroupNorm(2, 4)(x.to(BF16)), 2, 4, 3),
    "batch norm, mixed": lambda: backward(lambda x: nn.BatchNorm1d(4)(x.to(BF16)), 2, 4, 3),
    "pooling": lambda: backward(lambda x: F.max_pool3d(x, (3, 2, 3)), 2, 6, 6, 5, grad=last_innermost),
}  # fmt: skip


@pytest.mark.parametrize("function", BACKWARD.values(), ids=BACKWARD)
def test_gradients(function):
    try:
        function()
    except RuntimeError as error:  # older versions have no gradients of losses of mixed dtypes
        pytest.skip(str(error))
    with Compared() as mode:
        function()
    assert mode.seen
    assert not mode.differing


def test_an_out_tensor_takes_the_layout_of_the_result_and_keeps_its_dtype():
    seen = []

    def model(x):
        made = (
            torch.add(x, x, out=torch.empty(0)),
            torch.gt(x, 0.5, out=torch.empty(0)),
            x.new_empty(0, dtype=torch.double),
        )
        seen[:] = [(t.stride(), t.dtype) for t in (*made, torch.mul(x, 2, out=made[2]))]
        return made[1] * 2

    by_run = []
    for execute in (True, False):
        flopsight.profile(model, swapped(3, 4), execute=execute)
        by_run.append(seen.copy())
    assert by_run[0] == by_run[1]
    assert by_run[0][1] == ((1, 3), torch.float32)


class Where(nn.Module):
    """A convolution of channels that lie last, and what is done with its result where that lies so too."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv3d(4, 4, 3)

    def forward(self, x):
        y = self.convolution(x)
        return y * 2 if y.is_contiguous() else y


def test_a_convolution_is_laid_out_as_by_the_library_that_takes_it_now():
    model, x = Where(), torch.rand(2, 8, 8, 8, 4).movedim(-1, 1)

    def totals():
        return [flopsight.profile(model, x, execute=execute).total("exact") for execute in (False, True)]

    with_onednn = totals()
    torch._C._set_mkldnn_enabled(False)
    try:
        without = totals()
    finally:
        torch._C._set_mkldnn_enabled(True)
    assert with_onednn[0] == with_onednn[1] == totals()[0]
    assert without[0] == without[1] == with_onednn[0] + 2 * 4 * 6 * 6 * 6


def test_tensors_are_found_in_nests():
    a, b = torch.rand(1), torch.rand(2)
    assert [t.shape for t in tensors(({"a": [a]}, (b, None)))] == [(1,), (2,)]
