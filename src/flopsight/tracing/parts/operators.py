"""What composite operators run: the arguments are those of their schemas."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from flopsight.cost import product
from flopsight.tracing.fake import Metadata
from flopsight.tracing.operators.operation import info_of, is_taken_apart
from flopsight.tracing.parts.known import ITSELF, Parts, parts
from flopsight.tracing.shapes.strides import is_contiguous, suggests_channels_last
from flopsight.tracing.shapes.views import as_viewed, sizes_asked

_aten = torch.ops.aten
_ADAPTIVE_AVG_POOL2D = info_of(_aten.adaptive_avg_pool2d.default)
_ADDMM = info_of(_aten.addmm.default)
_BATCH_NORM = info_of(_aten.batch_norm.default)
_BATCH_NORM_IMPL_INDEX = info_of(_aten._batch_norm_impl_index.default)
_BMM = info_of(_aten.bmm.default)
_CLONE = info_of(_aten.clone.default)
_CONSTANT_PAD_ND = info_of(_aten.constant_pad_nd.default)
_CONTIGUOUS = info_of(_aten.contiguous.default)
_CONV1D = info_of(_aten.conv1d.default)
_CONV2D = info_of(_aten.conv2d.default)
_CONV3D = info_of(_aten.conv3d.default)
_CONVOLUTION = info_of(_aten.convolution.default)
_DROPOUT = info_of(_aten.dropout.default)
_EMPTY = info_of(_aten.empty.memory_format)
_EXPAND = info_of(_aten.expand.default)
_FLATTEN = info_of(_aten.flatten.using_ints)
_LAYER_NORM = info_of(_aten.layer_norm.default)
_LINEAR = info_of(_aten.linear.default)
_MATMUL = info_of(_aten.matmul.default)
_MAX_POOL2D = info_of(_aten.max_pool2d.default)
_MAX_POOL2D_WITH_INDICES = info_of(_aten.max_pool2d_with_indices.default)
_MEAN = info_of(_aten.mean.dim)
_MM = info_of(_aten.mm.default)
_NATIVE_BATCH_NORM = info_of(_aten.native_batch_norm.default)
_NATIVE_LAYER_NORM = info_of(_aten.native_layer_norm.default)
_PAD = info_of(_aten.pad.default)
_RESHAPE = info_of(_aten.reshape.default)
_SOFTMAX = info_of(_aten._softmax.default)
_SOFTMAX_OF = info_of(_aten.softmax.int)
_T = info_of(_aten.t.default)
_UNSAFE_VIEW = info_of(_aten._unsafe_view.default)
_VIEW = info_of(_aten.view.default)


# --- views and copies ----------------------------------------------------------------------------------------------


@parts(_RESHAPE)
def reshape(run: Parts, self: Metadata, shape: list[int]) -> Any:
    """A view where strides will do, else one of a copy."""
    sizes = sizes_asked(self, shape)
    if sizes is None:
        return None
    if as_viewed(self, sizes) is not None:
        return run(_VIEW, self, shape if is_contiguous(self) else list(sizes))
    copied = run(_CLONE, self, memory_format=torch.contiguous_format)
    return run(_UNSAFE_VIEW, copied, list(sizes))


@parts(_FLATTEN)
def flatten(run: Parts, self: Metadata, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions as one."""
    first, last = range(self.ndim)[start_dim], range(self.ndim)[end_dim]
    if first >= last:
        return ITSELF if first == last else None
    return reshape(run, self, [*self.shape[:first], product(self.shape[first : last + 1]), *self.shape[last + 1 :]])


@parts(_CONTIGUOUS)
def contiguous(run: Parts, self: Metadata) -> Any:
    """A copy, if need be."""
    if is_contiguous(self):
        return ITSELF
    return run(_CLONE, self, memory_format=torch.contiguous_format)


@parts(_PAD)
def pad(run: Parts, self: Metadata, pad: list[int], mode: str = "constant", value: float | None = None) -> Any:
    """With a constant: other modes have an operator each."""
    return run(_CONSTANT_PAD_ND, self, pad, value or 0.0) if mode == "constant" else None


# --- contractions --------------------------------------------------------------------------------------------------


def _convolution(
    n: int,
    run: Parts,
    input: Metadata,
    weight: Metadata,
    bias: Metadata | None = None,
    stride: list[int] | None = None,
    padding: list[int] | None = None,
    dilation: list[int] | None = None,
    groups: int = 1,
) -> Any:
    dtypes = {of.dtype for of in (input, weight, bias) if of is not None}
    if input.ndim != n + 2 or weight.ndim != n + 2 or len(dtypes) > 1:
        return None
    window = [given * n if len(given) == 1 else given for given in (stride or [1], padding or [0], dilation or [1])]
    return run(_CONVOLUTION, input, weight, bias, *window, False, [0] * n, groups)


parts(_CONV1D)(partial(_convolution, 1))
parts(_CONV2D)(partial(_convolution, 2))
parts(_CONV3D)(partial(_convolution, 3))


@parts(_LINEAR)
def linear(run: Parts, input: Metadata, weight: Metadata, bias: Metadata | None = None) -> Any:
    """As a product of matrices, of an input that can be viewed as one."""
    if weight.ndim != 2 or input.ndim < 2 or not is_contiguous(input):
        return None
    if bias is None:
        return run.of(_MATMUL, input, run(_T, weight))
    if bias.ndim != 1:
        return None
    if input.ndim == 2:
        return run(_ADDMM, bias, input, run(_T, weight))
    rows = run(_VIEW, input, [product(input.shape[:-1]), input.shape[-1]])
    out = run(_ADDMM, bias, rows, run(_T, weight))
    return run(_VIEW, out, [*input.shape[:-1], out.shape[-1]])


@parts(_MATMUL)
def matmul(run: Parts, self: Metadata, other: Metadata) -> Any:
    """Of matrices; of an array that can be viewed as one with a matrix; and in batches of one length."""
    if self.ndim == other.ndim == 2:
        return run(_MM, self, other)
    if self.ndim > other.ndim == 2 and self.is_contiguous:
        rows = run.of(_RESHAPE, self, [product(self.shape[:-1]), self.shape[-1]])
        out = run(_MM, rows, other)
        return run(_UNSAFE_VIEW, out, [*self.shape[:-1], other.shape[-1]])
    if self.ndim != other.ndim or self.ndim < 4 or self.shape[:-2] != other.shape[:-2]:
        return None
    batch = list(self.shape[:-2])
    matrices = []
    for of in (self, other):
        expanded = run(_EXPAND, of, list(of.shape))
        matrices.append(run.of(_RESHAPE, expanded, [product(batch), *of.shape[-2:]]))
    out = run(_BMM, *matrices)
    return run(_UNSAFE_VIEW, out, [*batch, self.shape[-2], other.shape[-1]])


# --- normalizations and the like -----------------------------------------------------------------------------------


@parts(_BATCH_NORM)
def batch_norm(
    run: Parts,
    input: Metadata,
    weight: Metadata | None,
    bias: Metadata | None,
    running_mean: Metadata | None,
    running_var: Metadata | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Any:
    """With statistics that are given, on a CPU; what a GPU would keep beside the result is empty."""
    held = weight, bias, running_mean, running_var
    per_channel = all(of is None or of.shape == input.shape[1:2] for of in held)
    if (
        training
        or running_mean is None
        or running_var is None
        or not per_channel
        or not input.numel
        or input.device.type != "cpu"
    ):
        return None
    if not is_taken_apart(_BATCH_NORM_IMPL_INDEX):
        return None
    run(_EMPTY, [0], dtype=torch.uint8, layout=torch.strided, device=input.device)
    return run(_NATIVE_BATCH_NORM, input, *held, training, momentum, eps)[0]


@parts(_LAYER_NORM)
def layer_norm(
    run: Parts,
    input: Metadata,
    normalized_shape: list[int],
    weight: Metadata | None = None,
    bias: Metadata | None = None,
    eps: float = 1e-05,
    cudnn_enable: bool = True,
) -> Any:
    """The result, of three."""
    return run(_NATIVE_LAYER_NORM, input, normalized_shape, weight, bias, eps)[0]


@parts(_SOFTMAX_OF)
def softmax(run: Parts, self: Metadata, dim: int, dtype: torch.dtype | None = None) -> Any:
    """In the dtype of the input."""
    return run(_SOFTMAX, self, dim, False) if dtype is None else None


@parts(_DROPOUT)
def dropout(run: Parts, input: Metadata, p: float, train: bool) -> Any:
    """Nothing, outside training."""
    return None if train or not 0 <= p <= 1 else ITSELF


@parts(_ADAPTIVE_AVG_POOL2D)
def adaptive_avg_pool2d(run: Parts, self: Metadata, output_size: list[int]) -> Any:
    """To one element, the mean."""
    if self.ndim != 4 or list(output_size) != [1, 1] or suggests_channels_last(self):
        return None
    return run(_MEAN, self, [-1, -2], True)


@parts(_MAX_POOL2D)
def max_pool2d(
    run: Parts,
    self: Metadata,
    kernel_size: list[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Any:
    """The largest, without where they are."""
    pairs = [[*given, *given] if len(given) == 1 else list(given) for given in (kernel_size, stride, padding, dilation)]
    given: list[Any] = [self, *pairs, ceil_mode]
    while given[-1] == _MAX_POOL2D_WITH_INDICES.defaults.get(_MAX_POOL2D_WITH_INDICES.arguments[len(given) - 1], self):
        given.pop()  # as PyTorch hands the arguments over
    return run(_MAX_POOL2D_WITH_INDICES, *given)[0]
