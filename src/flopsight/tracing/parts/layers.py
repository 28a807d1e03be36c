"""What the forward of PyTorch's layers runs."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch._ops import OpOverload

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.parts.known import ITSELF, Parts, layer

_aten = torch.ops.aten
_Held = dict[str, Metadata | None]


def _integers(values: Any) -> list[int]:
    """Sizes as a list. Raises: TypeError where some are no integers, which PyTorch refuses."""
    if set(map(type, values)) <= {int}:
        return list(values)
    raise TypeError


def _convolution(operator: OpOverload, run: Parts, module: Any, held: _Held, input: Metadata) -> Any:
    if module.padding_mode != "zeros" or type(module.padding) is not tuple:
        return None
    window = module.stride, module.padding, module.dilation
    _integers((*chain.from_iterable(window), module.groups))
    return run.of(operator, input, held["weight"], held["bias"], *map(list, window), module.groups)


layer(nn.Conv1d)(partial(_convolution, _aten.conv1d.default))
layer(nn.Conv2d)(partial(_convolution, _aten.conv2d.default))
layer(nn.Conv3d)(partial(_convolution, _aten.conv3d.default))


@layer(nn.Linear)
def _linear(run: Parts, module: Any, held: _Held, input: Metadata) -> Any:
    return run.of(_aten.linear.default, input, held["weight"], held["bias"])


def _batch_norm(ndim: tuple[int, ...], run: Parts, module: Any, held: _Held, input: Metadata) -> Any:
    """With the statistics that it has kept."""
    if module.training or input.ndim not in ndim or module.eps < 0:
        return None
    tensors = [held[name] for name in ("weight", "bias", "running_mean", "running_var")]
    momentum = 0.0 if module.momentum is None else float(module.momentum)
    return run.of(_aten.batch_norm.default, input, *tensors, False, momentum, float(module.eps))


layer(nn.BatchNorm1d)(partial(_batch_norm, (2, 3)))
layer(nn.BatchNorm2d)(partial(_batch_norm, (4,)))
layer(nn.BatchNorm3d)(partial(_batch_norm, (5,)))


@layer(nn.LayerNorm)
def _layer_norm(run: Parts, module: Any, held: _Held, input: Metadata) -> Any:
    shape = _integers(module.normalized_shape)
    return run.of(_aten.layer_norm.default, input, shape, held["weight"], held["bias"], float(module.eps))


def _activation(
    operator: OpOverload, in_place: OpOverload, run: Parts, module: Any, held: _Held, input: Metadata
) -> Any:
    return run.written(in_place, input) if module.inplace else run(operator, input)


layer(nn.ReLU)(partial(_activation, _aten.relu.default, _aten.relu_.default))
layer(nn.SiLU)(partial(_activation, _aten.silu.default, _aten.silu_.default))
layer(nn.Hardswish)(partial(_activation, _aten.hardswish.default, _aten.hardswish_.default))


@layer(nn.Sigmoid)
def _sigmoid(run: Parts, module: Any, held: _Held, input: Metadata) -> Any:
    return run(_aten.sigmoid.default, input)


@layer(nn.GELU)
def _gelu(run: Parts, module: Any, held: _Held, input: Metadata) -> Any:
    return run(_aten.gelu.default, input) if module.approximate == "none" else None


@layer(nn.Dropout)
def _dropout(run: Parts, module: Any, held: _Held, input: Metadata) -> Any:
    return run.of(_aten.dropout.default, input, float(module.p), module.training)


@layer(nn.Identity)
def _identity(run: Parts, module: Any, held: _Held, input: Metadata) -> Any:
    return ITSELF


@layer(nn.MaxPool2d)
def _max_pool2d(run: Parts, module: Any, held: _Held, input: Metadata) -> Any:
    if module.return_indices or type(module.ceil_mode) is not bool:
        return None
    given = module.kernel_size, module.stride, module.padding, module.dilation
    window = [_integers((of,) if type(of) is int else of) for of in given]
    return run.of(_aten.max_pool2d.default, input, *window, module.ceil_mode)


@layer(nn.AdaptiveAvgPool2d)
def _adaptive_avg_pool2d(run: Parts, module: Any, held: _Held, input: Metadata) -> Any:
    size = module.output_size
    return run.of(_aten.adaptive_avg_pool2d.default, input, _integers((size, size) if type(size) is int else size))


@layer(nn.Flatten)
def _flatten(run: Parts, module: Any, held: _Held, input: Metadata) -> Any:
    return run.of(_aten.flatten.using_ints, input, *_integers((module.start_dim, module.end_dim)))
