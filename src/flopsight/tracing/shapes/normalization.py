"""Results of normalization, and what its kernels hand on beside them, where PyTorch's meta kernels say otherwise."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.shapes.layout import layout
from flopsight.tracing.shapes.strides import suggested

Given = dict[str, Any]


def _follows(given: Given, of: Metadata) -> Metadata:
    """`of` in the layout that the input suggests, on the CPU."""
    return of.like(of.shape, suggested(given["input"]) if given["input"].device_type == "cpu" else None)


def _statistics(given: Given, of: Metadata) -> Metadata:
    """A statistic on the CPU: in single precision only if the weights are in another precision than the input."""
    input, weights = given["input"], [given[name] for name in ("weight", "bias") if given.get(name) is not None]
    if input.device_type != "cpu":
        return of
    mixed = any(weight.dtype != input.dtype for weight in weights)
    return of.like(of.shape, dtype=torch.float32 if mixed else input.dtype)


@layout("aten::native_batch_norm", "aten::_native_batch_norm_legit", "aten::_native_batch_norm_legit_no_training",
        "aten::_batch_norm_with_update", "aten::batch_norm_update_stats", "aten::_batch_norm_no_update")  # fmt: skip
def _batch_norm(results: list[Metadata], given: Given) -> list[Metadata]:
    """Where nothing is learnt from the batch, the statistics that are handed back are empty."""
    out, *statistics = results
    if not given.get("training", False) and "training" in given and given["input"].device_type == "cpu":
        statistics = [of.like((0,)) for of in statistics]
    means = [of if of.dtype is torch.uint8 else _statistics(given, of) for of in statistics]
    return [out.like(out.shape, suggested(given["input"])), *means]


@layout("aten::native_group_norm")
def _group_norm(results: list[Metadata], given: Given) -> list[Metadata]:
    out, *statistics = results
    return [_follows(given, out), *(_statistics(given, of) for of in statistics)]


@layout("aten::native_layer_norm")
def _layer_norm(results: list[Metadata], given: Given) -> list[Metadata]:
    out, *statistics = results
    return [out.like(out.shape), *(_statistics(given, of) for of in statistics)]


@layout("aten::native_batch_norm_backward", "aten::batch_norm_backward", "aten::native_layer_norm_backward",
        "aten::native_group_norm_backward")  # fmt: skip
def _backward(results: list[Metadata | None], given: Given) -> list[Metadata | None]:
    """Only what is asked for, in the dtypes of input and weights.

    The gradient of the input is laid out as the input suggests, that of a layer's is not.
    """
    asked = [of if wanted else None for of, wanted in zip(results, given["output_mask"], strict=True)]
    of_input, *of_weights = asked
    input, weight = given["input"], given["weight"] or given.get("bias")
    if of_input is not None:
        of_input = input.like(of_input.shape) if "normalized_shape" in given else _follows(given, input)
    return [of_input, *(of and (weight or of).like(of.shape) for of in of_weights)]
