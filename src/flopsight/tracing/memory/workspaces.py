"""Memory that a kernel takes for itself while it runs, on a CPU: oneDNN's copy into layouts of their own.

B examples · C input channels · O output channels
"""

from __future__ import annotations

from typing import Any

import torch

from flopsight.cost import product
from flopsight.tracing.metadata import Metadata
from flopsight.tracing.operators.operation import OperatorInfo
from flopsight.tracing.shapes.recurrent import row

_CHANNELS = {"AVX512": 16, "AVX2": 8}
"""By what the processor can do: the channels that are stored together."""


def workspace_bytes(info: OperatorInfo, given: dict[str, Any], results: tuple[Metadata | None, ...]) -> int:
    """The bytes that an operator takes beside its results, at most, while it runs on arguments given by name."""
    rule = _RULES.get(info.packet)
    channels = _CHANNELS.get(torch.backends.cpu.get_cpu_capability())
    if rule is None or channels is None or not torch._C._get_mkldnn_enabled():
        return 0
    return max(0, rule(given, results, channels))


def _is_copied(tensor: Metadata) -> bool:
    """Whether a tensor is in a layout that oneDNN does not compute in: channels last is one that it does."""
    return tensor.dtype is torch.float32 and tensor.device_type == "cpu" and tensor.is_contiguous


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


def _forward(given: dict[str, Any], results: tuple[Metadata | None, ...], channels: int) -> int:
    """Copies of input, weight and output at once; then the output's copy and the output."""
    x, weight, out = given["input"], given["weight"], results[0]
    if out is None or not _is_copied(x) or not _is_copied(weight):
        return 0
    own = _written(out, channels)
    return max(_copy(x, channels) + _bytes(weight) + own - _bytes(out), own)


def _backward(given: dict[str, Any], results: tuple[Metadata | None, ...], channels: int) -> int:
    """First the gradient of the input, by copies of the result's, the weight and itself; then that of the weight."""
    x, weight, gradient, made = given["input"], given["weight"], given["grad_output"], sum(map(_bytes, results))
    if not all(map(_is_copied, (x, weight, gradient))):
        return 0
    copied = _written(gradient, channels)
    first = copied + _bytes(weight) + _written(x, channels) - made if results[0] is not None else 0
    second = copied + _copy(x, channels) + _bytes(weight) - _bytes(results[1]) if results[1] is not None else 0
    return max(first, _written(x, channels) + _bytes(results[0]) - made if results[0] is not None else 0, second)


def _recurrent(given: dict[str, Any], results: tuple[Metadata | None, ...], channels: int) -> int:
    """Copies of both weights, and the gates of every step, in rows of a length that is kind to caches."""
    x: Metadata = given["input"]
    steps, batch, inputs = x.shape
    hidden: int = given["hidden_size"]
    return (inputs + hidden + steps * batch) * row(4 * hidden) * x.dtype.itemsize


def _recurrent_backward(given: dict[str, Any], results: tuple[Metadata | None, ...], channels: int) -> int:
    """As forward, with a copy of a gradient that is no C array."""
    gradient = given["grad_output"]
    copied = 0 if gradient is None or gradient.is_contiguous else _bytes(gradient)
    return _recurrent(given, results, channels) + copied


_RULES = {
    "aten::convolution": _forward,
    "aten::convolution_backward": _backward,
    "aten::mkldnn_rnn_layer": _recurrent,
    "aten::mkldnn_rnn_layer_backward": _recurrent_backward,
}
WITH_WORKSPACE = frozenset(_RULES)
"""The operators that are known to take some."""
