"""The steps a random program is made of.

A maker draws the arguments of one step and gives a function of all values so far, or None where the drawn value does
not suit it. What it draws depends on the shapes at hand; what the step does may depend on what it sees of its tensors.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

Values = list[torch.Tensor]
Step = Callable[[Values], Any]
Maker = Callable[[random.Random, Values, int, int, Callable[[nn.Module], nn.Module]], Step | None]

MAKERS: list[tuple[str, Maker]] = []

UNARY: dict[str, Callable[[torch.Tensor], Any]] = {
    name: getattr(torch, name)
    for name in (
        "abs",
        "neg",
        "exp",
        "sqrt",
        "rsqrt",
        "sin",
        "tanh",
        "sigmoid",
        "erf",
        "sgn",
        "sign",
        "floor",
        "round",
        "square",
        "reciprocal",
        "log1p",
        "expm1",
        "isnan",
        "logical_not",
        "nan_to_num",
        "relu",
        "clone",
        "zeros_like",
        "ones_like",
        "atan",
        "cosh",
        "frac",
        "trunc",
        "positive",
        "isfinite",
        "flatten",
        "squeeze",
        "bernoulli",
        "rand_like",
        "signbit",
        "digamma",
        "lgamma",
        "deg2rad",
        "logit",
        "fliplr",
    )
} | {
    name: getattr(F, name)
    for name in (
        "gelu",
        "silu",
        "hardswish",
        "hardsigmoid",
        "leaky_relu",
        "elu",
        "softplus",
        "mish",
        "logsigmoid",
        "softsign",
        "hardtanh",
        "relu6",
        "selu",
        "celu",
        "hardshrink",
        "softshrink",
        "tanhshrink",
    )
}
UNARY |= {
    "double": lambda t: t.double(),
    "half": lambda t: t.bfloat16(),
    "long": lambda t: t.long(),
    "float": lambda t: t.float(),
    "bool": lambda t: t > 0.5,
    "pow": lambda t: t**2,
    "rpow": lambda t: 2**t,
    "rsub": lambda t: 1 - t,
    "clamp": lambda t: t.clamp(0, 1),
    "times": lambda t: t * 0.5,
    "plus": lambda t: t + 1,
    "div": lambda t: t / 2,
    "floordiv": lambda t: t // 2,
    "contiguous": lambda t: t.contiguous(),
    "masked_fill": lambda t: t.masked_fill(t < 0.5, 0),
    "where": lambda t: torch.where(t > 0.3, t, 0.0),
    "detach": lambda t: t.detach(),
    "mT": lambda t: t.mT,
    "t": lambda t: t.transpose(0, -1),
    "cl": lambda t: t.contiguous(memory_format=torch.channels_last),
    "tril": lambda t: t.tril(),
    "flip": lambda t: t.flip(0),
    "flipall": lambda t: t.flip(tuple(range(t.dim()))),
    "new_zeros": lambda t: t.new_zeros(t.shape),
    "empty_like": lambda t: torch.empty_like(t).fill_(0.5),
    "full": lambda t: torch.full_like(t, 2.0),
    "sum": lambda t: t.sum(),
    "mean": lambda t: t.mean(),
    "std": lambda t: t.std(),
    "unbind": lambda t: t.unbind(0)[0],
    "inplace_relu": lambda t: t.clone().relu_(),
    "inplace_add": lambda t: t.clone().add_(1),
    "inplace_mul": lambda t: (t * 2).mul_(t),
    "inplace_slice": lambda t: t.clone()[..., :1].fill_(2),
    "inplace_zero": lambda t: t.clone().zero_(),
    "setitem": lambda t: _set(t),
    "inplace_expand": lambda t: t.mean(0, keepdim=True).clone().expand(3, *t.shape[1:]).mul(2).tanh_(),
    "rot90": lambda t: t.rot90(),
    "copy_": lambda t: torch.empty_like(t).copy_(t),
    "inplace_t": lambda t: t.clone().transpose_(0, -1),
    "gather": lambda t: t.gather(-1, torch.zeros(t.shape, dtype=torch.long)),
    "if_contiguous": lambda t: t.view(-1) if t.is_contiguous() else t @ t.mT,
    "by_stride": lambda t: t.sin() if t.stride(0) > t.stride(-1) else t @ t.mT,
    "by_dtype": lambda t: t.exp() if t.dtype is torch.float32 else t.float().softmax(-1),
    "view": lambda t: t.view(t.shape[0], -1),
    "view_last": lambda t: t.view(-1, t.shape[-1]),
    "by_format": lambda t: t.cos() if t.is_contiguous(memory_format=torch.channels_last) else t.cos() * 2,
    "sdpa": lambda t: F.scaled_dot_product_attention(t, t, t),
    "sdpa_causal": lambda t: F.scaled_dot_product_attention(t, t, t, is_causal=True),
    "sdpa_t": lambda t: F.scaled_dot_product_attention(t.transpose(1, 2), t.transpose(1, 2), t.transpose(1, 2)),
    "avg_pool2d": lambda t: F.avg_pool2d(t, 2),
    "max_pool2d": lambda t: F.max_pool2d(t, 2, 1, 1),
    "adaptive": lambda t: F.adaptive_avg_pool2d(t, 2),
    "adaptive1": lambda t: F.adaptive_avg_pool2d(t, 1),
    "max_pool1d": lambda t: F.max_pool1d(t, 2),
    "avg_pool1d": lambda t: F.avg_pool1d(t, 2),
    "adaptive_max": lambda t: F.adaptive_max_pool2d(t, 2),
    "avg_pool3d": lambda t: F.avg_pool3d(t, 2),
    "max_pool3d": lambda t: F.max_pool3d(t, 2),
    "nearest": lambda t: F.interpolate(t, scale_factor=2),
    "bilinear": lambda t: F.interpolate(t, size=(7, 5), mode="bilinear"),
    "bicubic": lambda t: F.interpolate(t, size=(7, 5), mode="bicubic"),
    "linear1d": lambda t: F.interpolate(t, size=7, mode="linear"),
    "trilinear": lambda t: F.interpolate(t, size=(3, 3, 3), mode="trilinear"),
    "pixel_shuffle": lambda t: F.pixel_shuffle(t, 2),
    "pixel_unshuffle": lambda t: F.pixel_unshuffle(t, 2),
    "channel_shuffle": lambda t: F.channel_shuffle(t, 2),
    "unfold": lambda t: F.unfold(t, 2),
    "unfold1": lambda t: t.unfold(-1, 2, 1),
    "normalize": lambda t: F.normalize(t, dim=1),
    "glu": lambda t: F.glu(t, 1),
    "glu-1": lambda t: F.glu(t),
    "instance_norm": lambda t: F.instance_norm(t),
    "dropout": lambda t: F.dropout(t, 0.5),
    "dropout_off": lambda t: F.dropout(t, 0.5, training=False),
    "lrn": lambda t: F.local_response_norm(t, 2),
    "group": lambda t: F.group_norm(t, 1),
    "layer": lambda t: F.layer_norm(t, t.shape[-1:]),
    "layer2": lambda t: F.layer_norm(t, t.shape[-2:]),
    "rms": lambda t: F.rms_norm(t, t.shape[-1:]),
    "cdist": lambda t: torch.cdist(t, t),
    "einsum": lambda t: torch.einsum("bij,bkj->bik", t, t),
    "matmul_t": lambda t: t @ t.mT,
    "outer": lambda t: t[..., None] * t[..., None, :],
    "bmm": lambda t: torch.bmm(t, t.transpose(1, 2)),
    "baddbmm": lambda t: torch.baddbmm(t[:, :1, :1], t, t.transpose(1, 2)),
    "kron": lambda t: torch.kron(t, t[:1]),
    "topk": lambda t: t.topk(1)[0],
    "sort": lambda t: t.sort(-1)[0],
    "argmax": lambda t: t.argmax(-1),
    "cumsum": lambda t: t.cumsum(0),
    "cumprod": lambda t: t.cumprod(-1),
    "chunk": lambda t: t.chunk(2, -1),
    "split": lambda t: t.split(1, 0)[0],
    "repeat": lambda t: t.repeat(2, *(1,) * (t.dim() - 1)),
    "tile": lambda t: t.repeat_interleave(2, 0),
    "roll": lambda t: t.roll(1, -1),
    "to_cl": lambda t: t.to(memory_format=torch.channels_last),
    "index": lambda t: t[[0, 0]],
    "take": lambda t: t[:, torch.tensor([0, 0])],
    "index_select": lambda t: t.index_select(-1, torch.tensor([0])),
    "diag": lambda t: t.diagonal(dim1=-2, dim2=-1),
    "one_hot": lambda t: F.one_hot((t > 0.5).long(), 2),
    "fft": lambda t: torch.fft.rfft(t).abs(),
    "fft2": lambda t: torch.view_as_real(torch.fft.fftn(t)),
    "ifft": lambda t: torch.fft.irfft(torch.fft.rfft(t)),
    "cummax": lambda t: t.cummax(0),
    "logcumsumexp": lambda t: t.logcumsumexp(-1),
    "renorm": lambda t: t.renorm(2, 0, 1.0),
    "median": lambda t: t.median(-1),
    "kthvalue": lambda t: t.kthvalue(1, 0),
    "aminmax": lambda t: torch.aminmax(t, dim=0),
    "nansum": lambda t: t.nansum(-1),
    "count_nonzero": lambda t: t.count_nonzero(-1),
    "bucketize": lambda t: torch.bucketize(t, torch.tensor([0.2, 0.8])),
    "cov": lambda t: t.flatten(1).cov(),
    "tensordot": lambda t: torch.tensordot(t, t, dims=([0], [0])),
    "movedim": lambda t: t.movedim(0, -1),
    "hsplit": lambda t: t.hsplit(2),
    "fold": lambda t: F.fold(F.unfold(t, 2), t.shape[-2:], 2),
    "grid_sample": lambda t: F.grid_sample(t, torch.zeros(t.shape[0], 3, 4, 2)),
    "affine_grid": lambda t: F.affine_grid(torch.zeros(t.shape[0], 2, 3), [*t.shape]),
    "avg_ceil": lambda t: F.avg_pool2d(t, 3, 2, 1, ceil_mode=True),
    "lp_pool": lambda t: F.lp_pool2d(t, 2.0, 2),
    "max_unpool": lambda t: F.max_unpool2d(*F.max_pool2d(t, 2, return_indices=True), 2),
    "fractional": lambda t: F.fractional_max_pool2d(t, 2, output_size=(2, 2)),
    "alpha_dropout": lambda t: F.alpha_dropout(t, 0.5, training=True),
    "feature_dropout": lambda t: F.dropout2d(t, 0.5),
    "threshold": lambda t: F.threshold(t, 0.5, 0.1),
    "rrelu": lambda t: F.rrelu(t, training=True),
    "gelu_tanh": lambda t: F.gelu(t, approximate="tanh"),
    "multi_margin": lambda t: F.multi_margin_loss(t, torch.zeros(t.shape[0], dtype=torch.long)),
    "bag": lambda t: F.embedding_bag((t > 0.5).long().flatten(1), torch.rand(2, 3), mode="max"),
    "inv": lambda t: torch.linalg.inv(t.mT @ t + torch.eye(t.shape[-1])),
    "cholesky": lambda t: torch.linalg.cholesky(t.mT @ t + torch.eye(t.shape[-1])),
    "solve": lambda t: torch.linalg.solve(t.mT @ t + torch.eye(t.shape[-1]), t.mT),
    "qr": lambda t: torch.linalg.qr(t),
    "svdvals": lambda t: torch.linalg.svdvals(t),
    "det": lambda t: torch.linalg.det(t.mT @ t + torch.eye(t.shape[-1])),
    "matrix_norm": lambda t: torch.linalg.matrix_norm(t),
    "vector_norm": lambda t: torch.linalg.vector_norm(t, dim=0),
    "view_as": lambda t: t.clone().view(torch.int32).bitwise_and(1),
    "as_strided": lambda t: t.clone().as_strided((2, 2), (1, 1)),
    "unflatten": lambda t: t.flatten().unflatten(0, (2, -1)),
    "squeeze_view": lambda t: t.unsqueeze(1).squeeze(1).expand_as(t),
    "index_put": lambda t: t.clone().index_put_((torch.tensor([0]),), t[:1]),
    "index_fill": lambda t: t.index_fill(0, torch.tensor([0]), 0.5),
    "masked_scatter": lambda t: t.masked_scatter(t > 0.5, t.flip(0)),
    "scatter_add": lambda t: torch.zeros_like(t).scatter_add_(0, torch.zeros(t.shape, dtype=torch.long), t),
    "scatter_reduce": lambda t: t.scatter_reduce(0, torch.zeros(t.shape, dtype=torch.long), t, "amax"),
    "put": lambda t: t.take(torch.tensor([0, 1])),
    "inplace_column": lambda t: _column(t),
    "inplace_view": lambda t: t.clone().transpose(0, -1).mul_(2).sigmoid_(),
    "inplace_broadcast": lambda t: t.clone().add_(t[..., :1]),
    "inplace_half": lambda t: t.bfloat16().mul_(t),
    "autocast": lambda t: _autocast(t),
    "checkpoint": lambda t: checkpoint(lambda u: (u @ u.mT).tanh(), t, use_reentrant=False),
    "no_grad": lambda t: _no_grad(t),
    "by_grad": lambda t: t.sin() if torch.is_grad_enabled() else t.cos() * 2,
    "by_requirement": lambda t: t.sin() if t.requires_grad else t.cos() * 2,
    "by_leaf": lambda t: t.sin() if t.is_leaf else t.cos() * 2,
    "by_offset": lambda t: t.sin() if t.storage_offset() else t.cos() * 2,
    "empty_out": lambda t: torch.add(t, t, out=torch.empty(0)).exp(),
}


def _column(t: torch.Tensor) -> torch.Tensor:
    t = t.clone()
    t[..., :1].mul_(2).add_(t[..., -1:])
    return t


def _autocast(t: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return (t @ t.mT).softmax(-1)


def _no_grad(t: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return t.exp() * 2


def _set(t: torch.Tensor) -> torch.Tensor:
    t = t.clone()
    t[..., 0] = 1.0
    return t


def _unary(name: str, function: Callable[[torch.Tensor], Any]) -> Maker:
    def make(draw: random.Random, values: Values, at: int, other: int, layer: Any) -> Step:
        return lambda values: function(values[at])

    return make


MAKERS += [(name, _unary(name, function)) for name, function in UNARY.items()]


BINARY: dict[str, Callable[[torch.Tensor, torch.Tensor], Any]] = {
    name: getattr(torch, name)
    for name in (
        "add",
        "sub",
        "mul",
        "div",
        "maximum",
        "minimum",
        "eq",
        "lt",
        "logical_and",
        "logical_or",
        "logical_xor",
        "pow",
        "atan2",
        "fmod",
        "remainder",
        "hypot",
        "logaddexp",
        "copysign",
        "heaviside",
        "xlogy",
        "rsub",
        "floor_divide",
        "matmul",
        "true_divide",
        "fmax",
        "nextafter",
    )
} | {
    "where": lambda a, b: torch.where(a > b, a, b),
    "where_scalar": lambda a, b: torch.where(b > 0.5, a, 0.0),
    "lerp": lambda a, b: torch.lerp(a, b, 0.5),
    "addcmul": lambda a, b: torch.addcmul(a, a, b),
    "addcdiv": lambda a, b: torch.addcdiv(a, b, b),
    "masked_fill": lambda a, b: a.masked_fill(b > 0.5, 1.0),
    "cat0": lambda a, b: torch.cat([a, b]),
    "cat1": lambda a, b: torch.cat([a, b], 1),
    "stack": lambda a, b: torch.stack([a, b], -1),
    "mse": F.mse_loss,
    "smooth": F.smooth_l1_loss,
    "huber": F.huber_loss,
    "l1": F.l1_loss,
    "mse_none": lambda a, b: F.mse_loss(a, b, reduction="none"),
    "bce": lambda a, b: F.binary_cross_entropy_with_logits(a, b.detach()),
    "kl": lambda a, b: F.kl_div(a, b, reduction="batchmean"),
    "cross": lambda a, b: F.cross_entropy(a, b.softmax(1)),
    "nll": lambda a, b: F.cross_entropy(a, (a[:, 0] * 0).long()),
    "cosine": F.cosine_similarity,
    "bmm": lambda a, b: a @ b.mT,
    "expand_add": lambda a, b: a.unsqueeze(0) + b.unsqueeze(1),
    "inplace_add": lambda a, b: a.clone().add_(b),
    "iadd_t": lambda a, b: a.clone().transpose(0, 1).add_(b.transpose(0, 1)),
    "sdpa": lambda a, b: F.scaled_dot_product_attention(a, b, b),
    "einsum": lambda a, b: torch.einsum("...i,...i->...", a, b),
    "broadcast": lambda a, b: torch.broadcast_tensors(a, b)[0],
    "linear": lambda a, b: F.linear(a, b),
    "copy": lambda a, b: torch.empty_like(a).copy_(b),
    "clamp": lambda a, b: a.clamp(min=b),
    "index_add": lambda a, b: a.index_add(0, torch.zeros(b.shape[0], dtype=torch.long), b),
    "scatter": lambda a, b: a.scatter(0, torch.zeros(b.shape, dtype=torch.long), b),
}


def _binary(function: Callable[[torch.Tensor, torch.Tensor], Any]) -> Maker:
    def make(draw: random.Random, values: Values, at: int, other: int, layer: Any) -> Step:
        fits = [i for i, v in enumerate(values) if v.shape == values[at].shape]
        chosen = draw.choice(fits) if draw.random() < 0.7 else other
        return lambda values: function(values[at], values[chosen])

    return make


MAKERS += [(f"2-{name}", _binary(function)) for name, function in BINARY.items()]


def _reduce(draw: random.Random, values: Values, at: int, other: int, layer: Any) -> Step | None:
    name = draw.choice(
        ["sum", "mean", "amax", "var", "logsumexp", "softmax", "log_softmax", "norm", "prod", "argmin", "max", "all"]
    )
    dim, keep = draw.randrange(-1, max(values[at].dim(), 1)), draw.random() < 0.5
    if name in ("softmax", "log_softmax"):
        return lambda values: getattr(values[at], name)(dim)
    return lambda values: getattr(values[at], name)(dim=dim, keepdim=keep)


def _permute(draw: random.Random, values: Values, at: int, other: int, layer: Any) -> Step | None:
    order = draw.sample(range(values[at].dim()), values[at].dim())
    return lambda values: values[at].permute(order)


def _slice(draw: random.Random, values: Values, at: int, other: int, layer: Any) -> Step | None:
    dim, start, step = draw.randrange(max(values[at].dim(), 1)), draw.randrange(2), draw.randrange(1, 3)
    return lambda values: values[at][(*(slice(None),) * dim, slice(start, None, step))]


def _expand(draw: random.Random, values: Values, at: int, other: int, layer: Any) -> Step | None:
    dim = draw.randrange(values[at].dim() + 1)
    sizes = [*values[at].shape]
    sizes.insert(dim, draw.randrange(1, 4))
    return lambda values: values[at].unsqueeze(dim).expand(sizes)


def _reshape(draw: random.Random, values: Values, at: int, other: int, layer: Any) -> Step | None:
    dim = draw.randrange(max(values[at].dim() - 1, 1))
    return lambda values: values[at].flatten(dim, dim + 1)


def _pad(draw: random.Random, values: Values, at: int, other: int, layer: Any) -> Step | None:
    mode = draw.choice(["constant", "reflect", "replicate", "circular"])
    sides = [draw.randrange(2) for _ in range(2 * draw.randrange(1, 4))]
    return lambda values: F.pad(values[at], sides, mode=mode)


def _convolution(draw: random.Random, values: Values, at: int, other: int, layer: Any) -> Step | None:
    value = values[at]
    dims = value.dim() - 2
    if dims not in (1, 2, 3) or value.dtype is not torch.float32:
        return None
    kind = draw.choice(
        [nn.Conv1d, nn.ConvTranspose1d]
        if dims == 1
        else [nn.Conv2d, nn.ConvTranspose2d]
        if dims == 2
        else [nn.Conv3d, nn.ConvTranspose3d]
    )
    channels = value.shape[1]
    groups = draw.choice([1, 1, channels])
    out = channels * draw.randrange(1, 3)
    made = layer(
        kind(
            channels,
            out,
            draw.randrange(1, 4),
            stride=draw.randrange(1, 3),
            padding=draw.randrange(2),
            groups=groups,
            bias=draw.random() < 0.5,
        )
    )
    if draw.random() < 0.3 and dims == 2:
        made.to(memory_format=torch.channels_last)
    return lambda values: made(values[at])


def _module(draw: random.Random, values: Values, at: int, other: int, layer: Any) -> Step | None:
    value = values[at]
    if value.dim() < 2 or value.dtype is not torch.float32:
        return None
    width, channels, dims = value.shape[-1], value.shape[1], value.dim()
    batch_norm = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}.get(dims)
    choices: list[Callable[[], nn.Module]] = [
        lambda: nn.Linear(width, 4), lambda: nn.LayerNorm(width), lambda: nn.Linear(width, width, bias=False),
        lambda: nn.GroupNorm(1, channels), lambda: nn.PReLU(), lambda: nn.PReLU(channels), lambda: nn.RMSNorm(width),
    ]  # fmt: skip
    if batch_norm is not None:
        choices += [
            lambda: batch_norm(channels),
            lambda: batch_norm(channels, track_running_stats=False),
            lambda: batch_norm(channels, affine=False),
        ]
    if dims == 3:
        choices += [
            lambda: nn.GRU(width, 3, batch_first=True), lambda: nn.LSTM(width, 3), lambda: nn.RNN(width, 2),
            lambda: nn.TransformerEncoderLayer(width, 1, 8, batch_first=True), lambda: nn.Bilinear(width, width, 2),
        ]  # fmt: skip
    made = layer(draw.choice(choices)())
    if isinstance(made, nn.GroupNorm):  # channels last, and of no input that needs a gradient, PyTorch itself crashes
        return lambda values: made(values[at].contiguous())
    if isinstance(made, nn.Bilinear):
        return lambda values: made(values[at], values[at])
    return lambda values: made(values[at])


def _attention(draw: random.Random, values: Values, at: int, other: int, layer: Any) -> Step | None:
    value = values[at]
    if value.dim() != 3 or value.dtype is not torch.float32:
        return None
    made = layer(nn.MultiheadAttention(value.shape[-1], 1, batch_first=draw.random() < 0.5))
    weights = draw.random() < 0.5
    return lambda values: made(values[at], values[at], values[at], need_weights=weights)[0]


def _embedding(draw: random.Random, values: Values, at: int, other: int, layer: Any) -> Step | None:
    made = layer(nn.Embedding(5, 3))
    return lambda values: made((values[at] > 0.5).long())


MAKERS += [
    ("reduce", _reduce),
    ("permute", _permute),
    ("slice", _slice),
    ("expand", _expand),
    ("flatten", _reshape),
] * 5
MAKERS += [("convolution", _convolution), ("module", _module)] * 10 + [("pad", _pad)] * 3
MAKERS += [("attention", _attention)] * 3 + [("embedding", _embedding)]
