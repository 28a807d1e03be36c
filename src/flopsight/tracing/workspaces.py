"""Memory that a kernel takes for itself while it runs, on a CPU: oneDNN's convolutions copy into a layout of their own.

B examples · C input channels · O output channels
"""

from __future__ import annotations

from typing import Any

import torch

from flopsight.cost import product
from flopsight.tracing.fake import Metadata
from flopsight.tracing.operators import OperatorInfo

_CHANNELS = {"AVX512": 16, "AVX2": 8}
"""By what the processor can do: the channels that are stored together."""


def workspace_bytes(info: OperatorInfo, metadata: dict[str, Any], results: tuple[Metadata | None, ...]) -> int:
    """The bytes that an operator takes beside its results, at most, while it runs on `metadata` by argument name."""
    rule = _RULES.get(info.packet)
    x, weight = metadata.get("input"), metadata.get("weight")
    channels = _CHANNELS.get(torch.backends.cpu.get_cpu_capability())
    if rule is None or channels is None or not torch._C._get_mkldnn_enabled():
        return 0
    if not isinstance(x, Metadata) or not isinstance(weight, Metadata) or not _is_copied(x) or not _is_copied(weight):
        return 0
    return max(0, rule(x, weight, metadata, results, channels))


def _is_copied(tensor: Metadata) -> bool:
    """Whether a tensor is in a layout that oneDNN does not compute in: channels last is one that it does."""
    return tensor.dtype is torch.float32 and tensor.device.type == "cpu" and tensor.is_contiguous


def _copy(tensor: Metadata, channels: int) -> int:
    """The bytes of a copy whose channels are stored by blocks; tensors of few channels are read as they are."""
    batch, count, *sizes = tensor.shape
    if count < channels:
        return 0
    return batch * -(-count // channels) * channels * product(sizes) * tensor.dtype.itemsize


def _written(tensor: Metadata, channels: int) -> int:
    """The bytes of a result in blocks, which is then copied to where it belongs."""
    batch, count, *sizes = tensor.shape
    return batch * -(-count // channels) * channels * product(sizes) * tensor.dtype.itemsize


def _bytes(tensor: Metadata | None) -> int:
    return 0 if tensor is None else tensor.numel * tensor.dtype.itemsize


def _forward(
    x: Metadata, weight: Metadata, given: dict[str, Any], results: tuple[Metadata | None, ...], channels: int
) -> int:
    """Copies of input, weight and output at once; then the output's copy and the output."""
    out = results[0]
    assert out is not None
    own = _written(out, channels)
    return max(_copy(x, channels) + _bytes(weight) + own - _bytes(out), own)


def _backward(
    x: Metadata, weight: Metadata, given: dict[str, Any], results: tuple[Metadata | None, ...], channels: int
) -> int:
    """First the gradient of the input, by copies of the result's, the weight and itself; then that of the weight."""
    gradient, made = given["grad_output"], sum(map(_bytes, results))
    if not _is_copied(gradient):
        return 0
    copied = _written(gradient, channels)
    first = copied + _bytes(weight) + _written(x, channels) - made if results[0] is not None else 0
    second = copied + _copy(x, channels) + _bytes(weight) - _bytes(results[1]) if results[1] is not None else 0
    return max(first, _written(x, channels) + _bytes(results[0]) - made if results[0] is not None else 0, second)


_RULES = {"aten::convolution": _forward, "aten::convolution_backward": _backward}
WITH_WORKSPACE = frozenset(_RULES)
"""The operators that are known to take some."""
