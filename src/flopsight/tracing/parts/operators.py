"""What composite operators run: the arguments are those of their schemas."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from flopsight.cost import product
from flopsight.tracing.metadata import Metadata
from flopsight.tracing.operators.operation import info_of, is_taken_apart
from flopsight.tracing.parts.known import ITSELF, Parts, parts
from flopsight.tracing.shapes.strides import is_contiguous, suggests_channels_last
from flopsight.tracing.shapes.views import as_viewed, sizes_asked

_aten = torch.ops.aten


# --- views and copies ----------------------------------------------------------------------------------------------


@parts(_aten.reshape.default)
def reshape(run: Parts, self: Metadata, shape: list[int]) -> Any:
    """A view where strides will do, else one of a copy."""
    sizes = sizes_asked(self, shape)
    if sizes is None:
        return None
    if as_viewed(self, sizes) is not None:
        return run(_aten.view.default, self, shape if is_contiguous(self) else list(sizes))
    copied = run(_aten.clone.default, self, memory_format=torch.contiguous_format)
    return run(_aten._unsafe_view.default, copied, list(sizes))


@parts(_aten.flatten.using_ints)
def flatten(run: Parts, self: Metadata, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions as one."""
    first, last = range(self.ndim)[start_dim], range(self.ndim)[end_dim]
    if first >= last:
        return ITSELF if first == last else None
    return reshape(run, self, [*self.shape[:first], product(self.shape[first : last + 1]), *self.shape[last + 1 :]])


@parts(_aten.contiguous.default)
def contiguous(run: Parts, self: Metadata) -> Any:
    """A copy, if need be."""
    if is_contiguous(self):
        return ITSELF
    return run(_aten.clone.default, self, memory_format=torch.contiguous_format)


@parts(_aten.pad.default)
def pad(run: Parts, self: Metadata, pad: list[int], mode: str = "constant", value: float | None = None) -> Any:
    """With a constant: other modes have an operator each."""
    return run(_aten.constant_pad_nd.default, self, pad, value or 0.0) if mode == "constant" else None


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
    return run(_aten.convolution.default, input, weight, bias, *window, False, [0] * n, groups)


parts(_aten.conv1d.default)(partial(_convolution, 1))
parts(_aten.conv2d.default)(partial(_convolution, 2))
parts(_aten.conv3d.default)(partial(_convolution, 3))


@parts(_aten.linear.default)
def linear(run: Parts, input: Metadata, weight: Metadata, bias: Metadata | None = None) -> Any:
    """As a product of matrices, of an input that can be viewed as one."""
    if weight.ndim != 2 or input.ndim < 2 or not is_contiguous(input):
        return None
    if bias is None:
        return run.of(_aten.matmul.default, input, run(_aten.t.default, weight))
    if bias.ndim != 1:
        return None
    if input.ndim == 2:
        return run(_aten.addmm.default, bias, input, run(_aten.t.default, weight))
    rows = run(_aten.view.default, input, [product(input.shape[:-1]), input.shape[-1]])
    out = run(_aten.addmm.default, bias, rows, run(_aten.t.default, weight))
    return run(_aten.view.default, out, [*input.shape[:-1], out.shape[-1]])


@parts(_aten.matmul.default)
def matmul(run: Parts, self: Metadata, other: Metadata) -> Any:
    """Of matrices; of an array that can be viewed as one with a matrix; and in batches of one length."""
    if self.ndim == other.ndim == 2:
        return run(_aten.mm.default, self, other)
    if self.ndim > other.ndim == 2 and self.is_contiguous:
        rows = run.of(_aten.reshape.default, self, [product(self.shape[:-1]), self.shape[-1]])
        out = run(_aten.mm.default, rows, other)
        return run(_aten._unsafe_view.default, out, [*self.shape[:-1], other.shape[-1]])
    if self.ndim != other.ndim or self.ndim < 4 or self.shape[:-2] != other.shape[:-2]:
        return None
    batch = list(self.shape[:-2])
    matrices = []
    for of in (self, other):
        expanded = run(_aten.expand.default, of, list(of.shape))
        matrices.append(run.of(_aten.reshape.default, expanded, [product(batch), *of.shape[-2:]]))
    out = run(_aten.bmm.default, *matrices)
    return run(_aten._unsafe_view.default, out, [*batch, self.shape[-2], other.shape[-1]])


# --- normalizations and the like -----------------------------------------------------------------------------------


@parts(_aten.batch_norm.default)
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
    per_channel = {of.shape for of in held if of is not None} <= {input.shape[1:2]}
    if (
        training
        or running_mean is None
        or running_var is None
        or not per_channel
        or not input.numel
        or input.device_type != "cpu"
    ):
        return None
    if not is_taken_apart(info_of(_aten._batch_norm_impl_index.default)):
        return None
    run(_aten.empty.memory_format, [0], dtype=torch.uint8, layout=torch.strided, device=input.device)
    return run(_aten.native_batch_norm.default, input, *held, training, momentum, eps)[0]


@parts(_aten.layer_norm.default)
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
    return run(_aten.native_layer_norm.default, input, normalized_shape, weight, bias, eps)[0]


@parts(_aten.softmax.int)
def softmax(run: Parts, self: Metadata, dim: int, dtype: torch.dtype | None = None) -> Any:
    """In the dtype of the input."""
    return run(_aten._softmax.default, self, dim, False) if dtype is None else None


@parts(_aten.dropout.default)
def dropout(run: Parts, input: Metadata, p: float, train: bool) -> Any:
    """Nothing, outside training."""
    return None if train or not 0 <= p <= 1 else ITSELF


@parts(_aten.adaptive_avg_pool2d.default)
def adaptive_avg_pool2d(run: Parts, self: Metadata, output_size: list[int]) -> Any:
    """To one element, the mean, laid out as the input."""
    if self.ndim != 4 or list(output_size) != [1, 1]:
        return None
    mean = run(_aten.mean.dim, self, [-1, -2], True)
    if not suggests_channels_last(self):
        return mean
    batch, channels = self.shape[:2]
    return run(_aten.as_strided_.default, mean, [batch, channels, 1, 1], [channels, 1, channels, channels])


@parts(_aten.max_pool2d.default)
def max_pool2d(
    run: Parts,
    self: Metadata,
    kernel_size: list[int],
    stride: list[int] | None = None,
    padding: list[int] | None = None,
    dilation: list[int] | None = None,
    ceil_mode: bool = False,
) -> Any:
    """The largest, without where they are."""
    given = kernel_size, stride or [], padding or [0], dilation or [1]
    window = [of * 2 if len(of) == 1 else of for of in given]
    return run(_aten.max_pool2d_with_indices.default, self, *window, ceil_mode)[0]
