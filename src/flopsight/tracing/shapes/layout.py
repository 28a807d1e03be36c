"""The strides of PyTorch's CPU kernels, where its meta kernels say others.

A layout takes the results that the meta kernel gave, and the arguments by their schema names, and gives the results
with the strides that the real kernel leaves. Tests hold each against the real kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from flopsight.tracing.fake import Metadata, contiguous, make
from flopsight.tracing.shapes.strides import channels_last, iterated, preserved, suggested

Layout = Callable[[Any, dict[str, Any]], Any]

LAYOUTS: dict[str, Layout] = {}
"""By operator (`namespace::name`)."""


def layout(*operators: str) -> Callable[[Layout], Layout]:
    """Declare the decorated function as the layout of `operators`."""

    def declare(function: Layout) -> Layout:
        LAYOUTS.update(dict.fromkeys(operators, function))
        return function

    return declare


def corrected(operator: str, results: Any, given: dict[str, Any]) -> Any:
    """The results of `namespace::name` on arguments `given`, with the strides of the real kernel."""
    found = LAYOUTS.get(operator) or LAYOUTS.get(operator.removesuffix("_"))
    return results if found is None else found(results, given)


# --- convolution ----------------------------------------------------------------------------------------------------


def _as_2d(of: Metadata) -> Metadata:
    """A tensor of a one-dimensional convolution as PyTorch hands it to the two-dimensional one."""
    stride = (*of.stride[:2], of.shape[2] * of.stride[2], of.stride[2])
    return of.like((*of.shape[:2], 1, of.shape[2]), stride)


def _convolution_format(given: dict[str, Any]) -> tuple[torch.memory_format, bool]:
    """The layout of the library (oneDNN, or PyTorch's own loops) that takes this convolution; whether it is oneDNN."""
    input, weight = given["input"], given["weight"]
    if input.device.type != "cpu":
        return torch.contiguous_format, False
    if input.ndim == 3:
        input = input.like(input.shape)
    sizes = given.get("bias_sizes")
    with torch._C._DisableTorchDispatch():
        backend = torch._C._select_conv_backend(
            make(input), make(weight), make(given["bias"]) if given.get("bias") is not None else None, given["stride"],
            given["padding"], given["dilation"], given["transposed"], given["output_padding"], given["groups"],
            sizes,
        )  # fmt: skip
        if input.ndim == 3:
            input, weight = _as_2d(input), _as_2d(weight)
        memory_format = torch._C._conv_determine_backend_memory_format(make(input), make(weight), backend)
    return memory_format, "Slow" not in str(backend)


def _laid_out(of: Metadata, memory_format: torch.memory_format) -> Metadata:
    if memory_format is torch.contiguous_format or of.ndim < 3:
        return of.like(of.shape)
    if of.ndim > 3:
        return of.like(of.shape, channels_last(of.shape))
    laid = channels_last(_as_2d(of).shape)
    return of.like(of.shape, (*laid[:2], laid[3]))


@layout("aten::convolution", "aten::_convolution")
def _convolution(results: Metadata, given: dict[str, Any]) -> Metadata:
    return _laid_out(results, _convolution_format(given)[0])


@layout("aten::convolution_backward")
def _convolution_backward(results: list[Metadata | None], given: dict[str, Any]) -> list[Metadata | None]:
    memory_format, anew = _convolution_format(given)
    of_input, of_weight, of_bias = (of and _laid_out(of, memory_format) for of in results)
    weight = given["weight"]
    if of_weight is not None and weight.ndim > 3 and memory_format is not torch.contiguous_format and not anew:
        fits = zip(weight.shape, weight.stride, of_weight.stride, strict=True)
        if all(size == 1 or stride == wanted for size, stride, wanted in fits):
            of_weight = weight  # as it lies already, whatever the strides of a kernel of size 1
    return [of_input, of_weight, of_bias]


# --- always a C array -----------------------------------------------------------------------------------------------


@layout(
    "aten::_log_softmax_backward_data", "aten::bernoulli", "aten::col2im", "aten::glu_backward",
    "aten::huber_loss_backward", "aten::log_sigmoid_forward", "aten::mse_loss_backward", "aten::nll_loss2d_forward",
    "aten::normal", "aten::smooth_l1_loss_backward",
)  # fmt: skip
def _c_array(results: Any, given: dict[str, Any]) -> Any:
    if isinstance(results, Metadata):
        return results.like(results.shape)
    return [_c_array(item, given) for item in results] if isinstance(results, (list, tuple)) else results


@layout("aten::pow")
def _pow(results: Metadata, given: dict[str, Any]) -> Metadata:
    """A number to the power of a tensor gives a C array; the other forms go element by element."""
    return results if isinstance(given["self"], Metadata) else results.like(results.shape)


# --- as an argument -------------------------------------------------------------------------------------------------


@layout("aten::empty_like", "aten::full_like", "aten::ones_like", "aten::rand_like", "aten::randint_like",
        "aten::randn_like", "aten::zeros_like")  # fmt: skip
def _like(results: Metadata, given: dict[str, Any]) -> Metadata:
    if given.get("memory_format") not in (None, torch.preserve_format):
        return results
    return results.like(results.shape, preserved(given["self"]))


@layout("aten::copysign", "aten::div", "aten::floor_divide", "aten::heaviside", "aten::logaddexp", "aten::logaddexp2",
        "aten::logical_and", "aten::logical_or", "aten::logical_xor", "aten::special_xlog1py", "aten::xlogy",
        "aten::native_dropout_backward")  # fmt: skip
def _element_by_element(results: Metadata, given: dict[str, Any]) -> Metadata:
    operands = [given[name] for name in ("self", "grad_output", "other", "values", "mask") if name in given]
    tensors = [operand for operand in operands if isinstance(operand, Metadata)]
    dtype = results.dtype if results.dtype is not torch.bool else None
    return results.like(results.shape, iterated(results.shape, tensors, dtype, numbers=len(tensors) < len(operands)))


# --- channels last where the input is -------------------------------------------------------------------------------


@layout("aten::native_batch_norm", "aten::_native_batch_norm_legit", "aten::_native_batch_norm_legit_no_training",
        "aten::_batch_norm_with_update", "aten::batch_norm_update_stats", "aten::_batch_norm_no_update")  # fmt: skip
def _batch_norm(results: list[Metadata], given: dict[str, Any]) -> list[Metadata]:
    """Where nothing is learnt from the batch, the statistics that are handed back are empty."""
    out, *statistics = results
    if not given.get("training", False) and "training" in given and given["input"].device.type == "cpu":
        statistics = [of.like((0,)) for of in statistics]
    return [out.like(out.shape, suggested(given["input"])), *statistics]


@layout("aten::reflection_pad2d", "aten::reflection_pad2d_backward", "aten::reflection_pad3d",
        "aten::reflection_pad3d_backward", "aten::replication_pad2d", "aten::replication_pad2d_backward",
        "aten::replication_pad3d", "aten::replication_pad3d_backward", "aten::max_unpool2d", "aten::channel_shuffle",
        "aten::pixel_shuffle")  # fmt: skip
def _as_input(results: Metadata, given: dict[str, Any]) -> Metadata:
    return results.like(results.shape, suggested(given["self"], results.shape))


@layout("aten::sort")
def _sort(results: list[Metadata], given: dict[str, Any]) -> list[Metadata]:
    return [of.like(of.shape, preserved(given["self"])) for of in results]


@layout("aten::ldexp")
def _ldexp(results: Metadata, given: dict[str, Any]) -> Metadata:
    """The first operand times the power of two of the second, which is a C array."""
    power = given["other"].like(given["other"].shape)
    return results.like(results.shape, iterated(results.shape, [given["self"], power]))


@layout("aten::glu")
def _glu(results: Metadata, given: dict[str, Any]) -> Metadata:
    half = results.like(results.shape, given["self"].stride)
    return results.like(results.shape, iterated(results.shape, [half, half]))


@layout("aten::roll")
def _roll(results: Metadata, given: dict[str, Any]) -> Metadata:
    """Two slices, one after the other; an empty one has no layout to follow."""
    source, axes = given["self"], given.get("dims")
    if not axes or source.numel == 0:
        return results
    moves = all(shift % source.shape[axis] for shift, axis in zip(given["shifts"], axes, strict=True))
    return results.like(results.shape, suggested(source) if moves else None)


# --- column by column -----------------------------------------------------------------------------------------------


@layout("aten::linalg_eig")
def _eig(results: list[Metadata], given: dict[str, Any]) -> list[Metadata]:
    values, vectors = results
    return [values, _by_columns(vectors)]


@layout("aten::_linalg_svd")
def _svd(results: list[Metadata], given: dict[str, Any]) -> list[Metadata]:
    left, values, right = results
    return [left, values, right if right.ndim < 2 else _by_columns(right)]


def _by_columns(of: Metadata) -> Metadata:
    *rest, rows, columns = of.shape
    stride = contiguous((*rest, columns, rows))
    return of.like(of.shape, (*stride[:-2], stride[-1], stride[-2]))
