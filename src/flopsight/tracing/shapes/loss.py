"""Results of losses, which PyTorch's CPU kernels make in the dtype of the input, whatever that of the target."""

from __future__ import annotations

from typing import Any

from flopsight.tracing.fake import Metadata
from flopsight.tracing.shapes.layout import layout
from flopsight.tracing.shapes.strides import iterated, preserved

Given = dict[str, Any]


@layout("aten::huber_loss")
def _huber(results: Metadata, given: Given) -> Metadata:
    of = given["self"]
    return of.like(results.shape, preserved(of) if of.shape == results.shape else results.stride)


@layout("aten::soft_margin_loss")
def _soft_margin(results: Metadata, given: Given) -> Metadata:
    return given["self"].like(results.shape, results.stride)  # type: ignore[no-any-return]


@layout("aten::soft_margin_loss_backward")
def _soft_margin_backward(results: Metadata, given: Given) -> Metadata:
    """The target times what was made of minus the target times the input."""
    of, target = given["self"], given["target"]
    product = of.like(of.shape, iterated(of.shape, [target.like(of.shape, preserved(target)), of]))
    return of.like(of.shape, iterated(of.shape, [target, product]))  # type: ignore[no-any-return]


@layout("aten::huber_loss_backward", "aten::mse_loss_backward", "aten::smooth_l1_loss_backward")
def _backward(results: Metadata, given: Given) -> Metadata:
    return given["self"].like(results.shape)  # type: ignore[no-any-return]
