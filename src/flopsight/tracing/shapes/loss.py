"""Results of losses, which PyTorch's CPU kernels make in the dtype of the input, whatever that of the target."""

from __future__ import annotations

from typing import Any

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.shapes.layout import layout
from flopsight.tracing.shapes.strides import iterated, preserved

Given = dict[str, Any]


@layout("aten::huber_loss")
def _huber(results: Metadata, given: Given) -> Metadata:
    of = given["self"]
    stride = preserved(of) if of.shape == results.shape else results.stride
    return results.like(results.shape, stride, of.dtype)


@layout("aten::soft_margin_loss")
def _soft_margin(results: Metadata, given: Given) -> Metadata:
    return results.like(results.shape, results.stride, given["self"].dtype)


@layout("aten::soft_margin_loss_backward")
def _soft_margin_backward(results: Metadata, given: Given) -> Metadata:
    """The target times what was made of minus the target times the input."""
    of, target = given["self"], given["target"]
    product = of.like(of.shape, iterated(of.shape, [target.like(of.shape, preserved(target)), of]))
    return results.like(of.shape, iterated(of.shape, [target, product]), of.dtype)


@layout("aten::huber_loss_backward", "aten::mse_loss_backward", "aten::smooth_l1_loss_backward")
def _backward(results: Metadata, given: Given) -> Metadata:
    return results.like(results.shape, dtype=given["self"].dtype)
