"""The strides of PyTorch's CPU kernels, where its meta kernels say others.

A layout takes the results that the meta kernel gave, and the arguments by their schema names, and gives the results
with the strides that the real kernel leaves. Tests hold each against the real kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.shapes.pointwise import element_by_element, is_pointwise
from flopsight.tracing.shapes.strides import (
    channels_last,
    is_contiguous,
    iterated,
    lies_channels_last,
    preserved,
    suggested,
)

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
    """The results of `namespace::name` on arguments `given`, in the schema's order, with the real kernel's strides."""
    found = LAYOUTS.get(operator) or LAYOUTS.get(operator.removesuffix("_"))
    if found is None:
        return element_by_element(results, given) if is_pointwise(operator) else results
    return found(results, given)


# --- always a C array -----------------------------------------------------------------------------------------------


@layout(
    "aten::_log_softmax", "aten::_log_softmax_backward_data", "aten::_softmax", "aten::_standard_gamma",
    "aten::_unsafe_masked_index", "aten::_upsample_nearest_exact3d_backward", "aten::bernoulli", "aten::col2im",
    "aten::diag_embed", "aten::glu_backward", "aten::isin", "aten::linalg_vector_norm", "aten::log_sigmoid_forward",
    "aten::log_softmax", "aten::masked_fill", "aten::max", "aten::min", "aten::mvlgamma", "aten::nll_loss2d_forward",
    "aten::nonzero_static", "aten::poisson", "aten::renorm", "aten::tril", "aten::triu",
    "aten::upsample_bicubic2d_backward", "aten::upsample_nearest3d_backward",
)  # fmt: skip
def _c_array(results: Any, given: dict[str, Any]) -> Any:
    if isinstance(results, Metadata):
        return results.like(results.shape)
    return [_c_array(item, given) for item in results] if isinstance(results, (list, tuple)) else results


@layout("aten::pow")
def _pow(results: Metadata, given: dict[str, Any]) -> Metadata:
    """A number to the power of a tensor gives a C array; the other forms go element by element."""
    return element_by_element(results, given) if isinstance(given["self"], Metadata) else results.like(results.shape)


@layout("aten::angle")
def _angle(results: Metadata, given: dict[str, Any]) -> Metadata:
    return results.like(results.shape) if given["self"].dtype.is_complex else element_by_element(results, given)


# --- as an argument -------------------------------------------------------------------------------------------------


@layout("aten::empty_like", "aten::full_like", "aten::ones_like", "aten::rand_like", "aten::randint_like",
        "aten::randn_like", "aten::zeros_like")  # fmt: skip
def _like(results: Metadata, given: dict[str, Any]) -> Metadata:
    if given.get("memory_format") not in (None, torch.preserve_format):
        return results
    return results.like(results.shape, preserved(given["self"]))


@layout("aten::_conj_physical", "aten::_prelu_kernel", "aten::_unsafe_masked_index_put_accumulate",
        "aten::binary_cross_entropy", "aten::binary_cross_entropy_backward", "aten::binary_cross_entropy_with_logits",
        "aten::fill", "aten::flip", "aten::frexp", "aten::index_fill", "aten::index_put", "aten::nan_to_num",
        "aten::nll_loss2d_backward", "aten::sort")  # fmt: skip
def _as_self(results: Any, given: dict[str, Any]) -> Any:
    return _as(given["self"], results)


@layout("aten::_scaled_dot_product_flash_attention_for_cpu", "aten::log_sigmoid_backward")
def _as_first(results: Any, given: dict[str, Any]) -> Any:
    return _as(next(iter(given.values())), results)


@layout("aten::_cdist_backward")
def _cdist_backward(results: Metadata, given: dict[str, Any]) -> Any:
    return results if given["grad"].numel and given["x1"].numel else _as(given["x1"], results)


def _as(argument: Metadata, results: Any) -> Any:
    """What has the shape of an argument is laid out as that."""
    if not isinstance(results, Metadata):
        return [_as(argument, of) for of in results]
    return results.like(results.shape, preserved(argument)) if results.shape == argument.shape else results


@layout("aten::rot90")
def _rot90(results: Metadata, given: dict[str, Any]) -> Metadata:
    """Flipped, and two dimensions exchanged."""
    strides, (one, other) = [*preserved(given["self"])], given["dims"]
    if given["k"] % 2:
        strides[one], strides[other] = strides[other], strides[one]
    return results.like(results.shape, tuple(strides) if given["k"] % 4 else None)


@layout("aten::isinf")
def _isinf(results: Metadata, given: dict[str, Any]) -> Any:
    return (element_by_element if given["self"].dtype.is_floating_point else _as_self)(results, given)


@layout("aten::normal")
def _normal(results: Metadata, given: dict[str, Any]) -> Metadata:
    """In the dtype of the means, if they are a tensor."""
    dtype = given["mean"].dtype if isinstance(given.get("mean"), Metadata) else None
    return results.like(results.shape, dtype=dtype)


@layout("aten::complex", "aten::polar")
def _of_parts(results: Metadata, given: dict[str, Any]) -> Metadata:
    return results.like(results.shape, iterated(results.shape, [*given.values()][:2]))


@layout("aten::abs")
def _abs(results: Metadata, given: dict[str, Any]) -> Any:
    return (_as_self if given["self"].dtype.is_complex else element_by_element)(results, given)


@layout("aten::elu_backward", "aten::floor_divide", "aten::hardsigmoid_backward", "aten::hardswish_backward",
        "aten::hardtanh_backward", "aten::native_dropout_backward",
        "aten::softplus_backward")  # fmt: skip
def _unmarked(results: Any, given: dict[str, Any]) -> Any:
    """Operators that PyTorch does not mark as going element by element, and do."""
    return element_by_element(results, given)


@layout("aten::_prelu_kernel_backward", "aten::leaky_relu_backward", "aten::threshold_backward")
def _gradient_last(results: Any, given: dict[str, Any]) -> Any:
    return element_by_element(
        results, {"self": given["self"], "weight": given.get("weight"), "grad": given["grad_output"]}
    )


@layout("aten::deg2rad", "aten::rad2deg")
def _scaled(results: Metadata, given: dict[str, Any]) -> Any:
    """A product with a number."""
    return element_by_element(results, {**given, "other": 1.0})


@layout("aten::rrelu_with_noise")
def _rrelu(results: Metadata, given: dict[str, Any]) -> Any:
    return results.like(results.shape) if given["training"] else element_by_element(results, {"self": given["self"]})


@layout("aten::rrelu_with_noise_backward")
def _rrelu_backward(results: Metadata, given: dict[str, Any]) -> Any:
    """A product with the slopes that were drawn, if any were."""
    drawn = given["training"] and given["upper"] - given["lower"] > 1e-6
    names = ("noise", "grad_output") if drawn else ("self", "grad_output")
    return element_by_element(results, {name: given[name] for name in names})


@layout("aten::addr")
def _addr(results: Metadata, given: dict[str, Any]) -> Metadata:
    """Element by element of three matrices; a number given as a tensor is one of them, and has a say in the dtype."""
    of, rows, columns = given["self"], given["vec1"], given["vec2"]
    across = rows.like((rows.numel, 1), (*rows.stride, 0))
    dtype = torch.promote_types(of.dtype, torch.promote_types(rows.dtype, columns.dtype))
    return results.like(results.shape, iterated(results.shape, [of, across, columns], dtype), dtype)


# --- channels last where the input is -------------------------------------------------------------------------------


@layout("aten::reflection_pad2d", "aten::reflection_pad2d_backward", "aten::reflection_pad3d",
        "aten::reflection_pad3d_backward", "aten::replication_pad2d", "aten::replication_pad2d_backward",
        "aten::replication_pad3d", "aten::replication_pad3d_backward", "aten::max_unpool2d", "aten::channel_shuffle",
        "aten::pixel_shuffle")  # fmt: skip
def _as_input(results: Metadata, given: dict[str, Any]) -> Metadata:
    return results.like(results.shape, suggested(given["self"], results.shape))


@layout("aten::max_pool3d_with_indices", "aten::max_pool3d_with_indices_backward")
def _max_pool3d(results: Any, given: dict[str, Any]) -> Any:
    """Without a batch, channels last where the input, or the gradient, is."""
    if not isinstance(results, Metadata):
        return [_max_pool3d(of, given) for of in results]
    of = given.get("grad_output", given["self"])
    if of.ndim == 5 or is_contiguous(of):
        return results
    batched = of.like((1, *of.shape), (of.numel, *of.stride))
    return results.like(results.shape, channels_last((1, *results.shape))[1:] if lies_channels_last(batched) else None)


@layout(*(f"aten::{kind}{backward}" for kind in (
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d",
    "_upsample_nearest_exact2d", "_upsample_nearest_exact3d", "upsample_linear1d", "upsample_bilinear2d",
    "upsample_bicubic2d", "upsample_trilinear3d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa",
) for backward in ("", "_backward") if f"aten::{kind}{backward}" not in LAYOUTS))  # fmt: skip
def _upsample(results: Metadata, given: dict[str, Any]) -> Metadata:
    return results.like(results.shape, suggested(given.get("grad_output") or given["self"], results.shape))


@layout("aten::ldexp")
def _ldexp(results: Metadata, given: dict[str, Any]) -> Metadata:
    """The first operand times the power of two of the second, which is a C array in single precision."""
    first, power = given["self"], given["other"]
    integer = not first.dtype.is_floating_point and not first.dtype.is_complex
    if integer or first.dtype is power.dtype is torch.float32:
        power = power.like(power.shape)
    computed = results.dtype if integer else None
    return results.like(results.shape, iterated(results.shape, [first, power], computed))


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
