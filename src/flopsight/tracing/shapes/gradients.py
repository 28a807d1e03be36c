"""Backward operators of activations, normalization, softmax, convolutions, pooling and look-ups."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.shapes.elementwise import elementwise
from flopsight.tracing.shapes.rules import RULES, Result, rule

_PLAIN = (torch.float32, torch.float64)


def _alike(*tensors: Metadata) -> bool:
    """Whether they have one shape, one layout in memory, and one floating-point dtype."""
    first = tensors[0]
    return first.dtype.is_floating_point and all(
        (t.shape, t.stride, t.dtype, t.device) == (first.shape, first.stride, first.dtype, first.device)
        for t in tensors
    )


def _activation(grad_output: Metadata, saved: Metadata, *_: Any, **__: Any) -> Result:
    """Gradients of an activation lie as the values they are for."""
    return elementwise((grad_output, saved), saved.dtype) if _alike(grad_output, saved) else None


RULES |= dict.fromkeys(
    ("aten::threshold_backward", "aten::gelu_backward", "aten::silu_backward", "aten::sigmoid_backward",
     "aten::tanh_backward", "aten::leaky_relu_backward", "aten::hardtanh_backward",
     "aten::hardswish_backward", "aten::hardsigmoid_backward", "aten::softplus_backward", "aten::mish_backward"),
    _activation,
)  # fmt: skip


@rule("aten::_softmax_backward_data", "aten::_log_softmax_backward_data")
def _softmax_backward(grad_output: Metadata, output: Metadata, dim: int, input_dtype: torch.dtype) -> Result:
    sound = _alike(grad_output, output) and output.is_contiguous and input_dtype == output.dtype
    return output if sound and -max(output.ndim, 1) <= dim < max(output.ndim, 1) else None


@rule("aten::native_layer_norm_backward")
def _layer_norm_backward(
    grad_out: Metadata, input: Metadata, normalized_shape: list[int], mean: Metadata, rstd: Metadata,
    weight: Metadata | None, bias: Metadata | None, output_mask: list[bool],
) -> Result:  # fmt: skip
    shape = tuple(normalized_shape)
    affine = [t for t in (weight, bias) if t is not None]
    if not _alike(grad_out, input) or input.dtype not in _PLAIN or not input.is_contiguous or input.numel == 0:
        return None
    if input.shape[input.ndim - len(shape) :] != shape or len(affine) != 2:
        return None
    if any(t.shape != shape or t.dtype != input.dtype or not t.is_contiguous for t in affine):
        return None
    return (input, *affine) if all(output_mask) else None


@rule("aten::native_batch_norm_backward")
def _batch_norm_backward(
    grad_out: Metadata, input: Metadata, weight: Metadata | None, running_mean: Metadata | None,
    running_var: Metadata | None, save_mean: Metadata | None, save_invstd: Metadata | None, train: bool, eps: float,
    output_mask: list[bool],
) -> Result:  # fmt: skip
    given = [t for t in (weight, running_mean, running_var) if t is not None]
    if not _alike(grad_out, input) or input.dtype not in _PLAIN or not input.is_contiguous or input.numel == 0:
        return None
    if weight is None or any(t.shape != input.shape[1:2] or t.dtype != input.dtype for t in given):
        return None
    return tuple(t if asked else None for t, asked in zip((input, weight, weight), output_mask, strict=True))


@rule("aten::convolution_backward")
def _convolution_backward(
    grad_output: Metadata, input: Metadata, weight: Metadata, bias_sizes: list[int] | None, stride: list[int],
    padding: list[int], dilation: list[int], transposed: bool, output_padding: list[int], groups: int,
    output_mask: list[bool],
) -> Result:  # fmt: skip
    tensors = (grad_output, input, weight)
    if transposed or not all(t.is_contiguous and t.numel and t.dtype == input.dtype for t in tensors):
        return None
    if input.dtype not in _PLAIN or not input.ndim == weight.ndim == grad_output.ndim:
        return None
    bias = weight.like(weight.shape[:1])
    return tuple(t if asked else None for t, asked in zip((input, weight, bias), output_mask, strict=True))


@rule("aten::max_pool2d_with_indices_backward")
def _max_pool2d_backward(
    grad_output: Metadata, self: Metadata, kernel_size: list[int], stride: list[int], padding: list[int],
    dilation: list[int], ceil_mode: bool, indices: Metadata,
) -> Result:  # fmt: skip
    sound = self.ndim == 4 and grad_output.shape == indices.shape and grad_output.dtype == self.dtype
    return self if sound and self.is_contiguous and self.numel and self.dtype in _PLAIN else None


@rule("aten::embedding_dense_backward")
def _embedding_backward(
    grad_output: Metadata, indices: Metadata, num_weights: int, padding_idx: int, scale_grad_by_freq: bool
) -> Result:
    sound = grad_output.shape[:-1] == indices.shape and grad_output.dtype in _PLAIN and indices.numel
    return grad_output.like((num_weights, grad_output.shape[-1])) if sound else None
