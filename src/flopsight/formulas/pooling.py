"""Pooling.   K positions in a window · n outputs · W positions in all windows of an adaptive pooling together

Windows are dense: positions in the padding, and those that a last window hangs over by `ceil_mode`, count. A gradient
starts from zeros, and each window adds to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from flopsight.cost import Cost, TensorSpec, product
from flopsight.formulas.parts import reduced
from flopsight.formulas.reduction.whole import Result, first
from flopsight.formulas.registry import Case, formula, zero

Sizes = Sequence[int]


def window(kernel_size: Sizes, dimensions: int) -> int:
    """Positions in a window; a single size stands for all dimensions."""
    return product(kernel_size) if len(kernel_size) == dimensions else kernel_size[0] ** dimensions


def adaptive(inputs: Sizes, outputs: Sizes) -> int:
    """Positions in all windows of an adaptive pooling: prod(I + O - gcd(I, O)).

    Window i of a dimension runs from floor(i * I / O) to ceil((i + 1) * I / O). Neighbours share a position unless
    their border is a whole number, as gcd(I, O) - 1 of the O - 1 borders are.
    """
    return product(_adaptive(size, bins) for size, bins in zip(inputs, outputs, strict=True))


def _adaptive(size: int, bins: int) -> int:
    if type(size) is int:
        return size + bins - gcd(size, bins) if size and bins else 0
    return sum(-(-(i + 1) * size // bins) - i * size // bins for i in range(bins))  # of a size with a name


def _windows(full: TensorSpec, pooled: TensorSpec, dimensions: int) -> int:
    """W for all batches and channels."""
    planes = product(pooled.shape[: pooled.ndim - dimensions])
    return planes * adaptive(full.shape[full.ndim - dimensions :], pooled.shape[pooled.ndim - dimensions :])


def _average(out: TensorSpec, positions: int) -> Cost:
    return Cost(add=out.numel * (positions - 1), divide=out.numel)


def _adaptive_average(full: TensorSpec, pooled: TensorSpec, dimensions: int) -> Cost:
    return Cost(add=reduced(_windows(full, pooled, dimensions), pooled.numel), divide=pooled.numel)


def _largest(out: Result, positions: int) -> Cost:
    return Cost(compare=first(out).numel * (positions - 1))


def _spread(grad_output: TensorSpec, positions: int) -> Cost:
    return Cost(divide=grad_output.numel, add=grad_output.numel * positions)


@formula("aten::avg_pool1d", case=Case({"kernel_size": [4]}, (2, 3), Cost(add=6 * (4 - 1), divide=6)))
def avg_pool1d(kernel_size: Sizes, out: TensorSpec) -> Cost:
    """y = (x1 + ... + xK) / K: n(K - 1) additions, n divisions."""
    return _average(out, window(kernel_size, 1))


@formula(
    "aten::avg_pool2d",
    case=Case({"kernel_size": [2, 3]}, (2, 3, 4), Cost(add=24 * (6 - 1), divide=24)),
)  # fmt: skip
def avg_pool2d(kernel_size: Sizes, out: TensorSpec) -> Cost:
    """y = (x1 + ... + xK) / K: n(K - 1) additions, n divisions."""
    return _average(out, window(kernel_size, 2))


@formula("aten::avg_pool3d", case=Case({"kernel_size": [2]}, (2, 3, 4), Cost(add=24 * (8 - 1), divide=24)))
def avg_pool3d(kernel_size: Sizes, out: TensorSpec) -> Cost:
    """y = (x1 + ... + xK) / K: n(K - 1) additions, n divisions."""
    return _average(out, window(kernel_size, 3))


@formula(
    "aten::avg_pool2d_backward",
    case=Case({"grad_output": (2, 3, 4), "kernel_size": [2, 3]}, (2, 6, 9), Cost(add=24 * 6, divide=24)),
)
def avg_pool2d_backward(grad_output: TensorSpec, kernel_size: Sizes) -> Cost:
    """dx[each position of the window] += dy / K: n divisions, n*K additions."""
    return _spread(grad_output, window(kernel_size, 2))


@formula(
    "aten::avg_pool3d_backward",
    case=Case({"grad_output": (2, 3, 4), "kernel_size": [2]}, (4, 6, 8), Cost(add=24 * 8, divide=24)),
)
def avg_pool3d_backward(grad_output: TensorSpec, kernel_size: Sizes) -> Cost:
    """dx[each position of the window] += dy / K: n divisions, n*K additions."""
    return _spread(grad_output, window(kernel_size, 3))


@formula("aten::adaptive_avg_pool1d", case=Case({"self": (2, 7)}, (2, 3), Cost(add=2 * (9 - 3), divide=6)))
def adaptive_avg_pool1d(self: TensorSpec, out: TensorSpec) -> Cost:
    """y = (x1 + ...) / K over windows that together hold W positions: W - n additions, n divisions."""
    return _adaptive_average(self, out, 1)


@formula(
    "aten::adaptive_avg_pool2d", "aten::_adaptive_avg_pool2d", "aten::mkldnn_adaptive_avg_pool2d",
    case=Case({"self": (2, 6, 7)}, (2, 3, 3), Cost(add=2 * (6 * 9 - 9), divide=18)),
)  # fmt: skip
def adaptive_avg_pool2d(self: TensorSpec, out: TensorSpec) -> Cost:
    """y = (x1 + ...) / K over windows that together hold W positions: W - n additions, n divisions."""
    return _adaptive_average(self, out, 2)


@formula(
    "aten::adaptive_avg_pool3d", "aten::_adaptive_avg_pool3d",
    case=Case({"self": (2, 4, 6, 7)}, (2, 1, 3, 3), Cost(add=2 * (4 * 6 * 9 - 9), divide=18)),
)  # fmt: skip
def adaptive_avg_pool3d(self: TensorSpec, out: TensorSpec) -> Cost:
    """y = (x1 + ...) / K over windows that together hold W positions: W - n additions, n divisions."""
    return _adaptive_average(self, out, 3)


@formula(
    "aten::_adaptive_avg_pool2d_backward", "aten::mkldnn_adaptive_avg_pool2d_backward",
    case=Case({"grad_output": (2, 3, 3), "self": (2, 6, 7)}, (2, 6, 7), Cost(add=2 * 6 * 9, divide=18)),
)  # fmt: skip
def adaptive_avg_pool2d_backward(grad_output: TensorSpec, self: TensorSpec) -> Cost:
    """dx[each position of the window] += dy / K: n divisions, W additions."""
    return Cost(add=_windows(self, grad_output, 2), divide=grad_output.numel)


@formula(
    "aten::_adaptive_avg_pool3d_backward", "aten::adaptive_avg_pool3d_backward",
    case=Case({"grad_output": (2, 1, 3, 3), "self": (2, 4, 6, 7)}, (2, 4, 6, 7), Cost(add=2 * 4 * 6 * 9, divide=18)),
)  # fmt: skip
def adaptive_avg_pool3d_backward(grad_output: TensorSpec, self: TensorSpec) -> Cost:
    """dx[each position of the window] += dy / K: n divisions, W additions."""
    return Cost(add=_windows(self, grad_output, 3), divide=grad_output.numel)


@formula(
    "aten::quantized_max_pool1d", "aten::max_pool1d", "aten::max_pool1d_with_indices", "quantized::max_pool1d",
    case=Case({"kernel_size": [4]}, (2, 3), Cost(compare=6 * (4 - 1))),
)  # fmt: skip
def max_pool1d(kernel_size: Sizes, out: Result) -> Cost:
    """y = max(x1, ..., xK): n(K - 1) comparisons; the position comes with the value."""
    return _largest(out, window(kernel_size, 1))


@formula(
    "aten::max_pool2d_with_indices", "aten::max_pool2d", "aten::mkldnn_max_pool2d", "aten::quantized_max_pool2d",
    "quantized::max_pool2d", "aten::fractional_max_pool2d",
    case=Case({"kernel_size": [2, 3]}, ((2, 3, 4), (2, 3, 4)), Cost(compare=24 * (6 - 1))),
)  # fmt: skip
def max_pool2d(kernel_size: Sizes, out: Result) -> Cost:
    """y = max(x1, ..., xK): n(K - 1) comparisons; the position comes with the value."""
    return _largest(out, window(kernel_size, 2))


@formula(
    "aten::max_pool3d_with_indices", "aten::max_pool3d", "aten::mkldnn_max_pool3d", "aten::quantized_max_pool3d",
    "aten::fractional_max_pool3d",
    case=Case({"kernel_size": [2]}, ((2, 3, 4), (2, 3, 4)), Cost(compare=24 * (8 - 1))),
)  # fmt: skip
def max_pool3d(kernel_size: Sizes, out: Result) -> Cost:
    """y = max(x1, ..., xK): n(K - 1) comparisons; the position comes with the value."""
    return _largest(out, window(kernel_size, 3))


@formula(
    "aten::adaptive_max_pool2d", case=Case({"self": (2, 6, 7)}, ((2, 3, 3), (2, 3, 3)), Cost(compare=2 * (6 * 9 - 9)))
)
def adaptive_max_pool2d(self: TensorSpec, out: Result) -> Cost:
    """y = max(x1, ...) over windows that together hold W positions: W - n comparisons."""
    return Cost(compare=reduced(_windows(self, first(out), 2), first(out).numel))


@formula(
    "aten::adaptive_max_pool3d",
    case=Case({"self": (2, 4, 6, 7)}, ((2, 1, 3, 3), (2, 1, 3, 3)), Cost(compare=2 * (4 * 6 * 9 - 9))),
)
def adaptive_max_pool3d(self: TensorSpec, out: Result) -> Cost:
    """y = max(x1, ...) over windows that together hold W positions: W - n comparisons."""
    return Cost(compare=reduced(_windows(self, first(out), 3), first(out).numel))


@formula(
    "aten::max_pool2d_with_indices_backward", "aten::max_pool3d_with_indices_backward",
    "aten::adaptive_max_pool2d_backward", "aten::adaptive_max_pool3d_backward",
    "aten::fractional_max_pool2d_backward", "aten::fractional_max_pool3d_backward",
    case=Case({"grad_output": (2, 3, 4)}, (2, 6, 8), Cost(add=24)),
)  # fmt: skip
def max_pool_backward(grad_output: TensorSpec) -> Cost:
    """dx[position of the maximum] += dy: n additions."""
    return Cost(add=grad_output.numel)


@formula(
    "aten::max_pool2d_backward", "aten::mkldnn_max_pool2d_backward",
    case=Case({"grad_output": (2, 3, 4), "kernel_size": [2, 3]}, (2, 6, 12), Cost(add=24, compare=24 * (6 - 1))),
)  # fmt: skip
def max_pool2d_backward(grad_output: TensorSpec, kernel_size: Sizes) -> Cost:
    """dx[position of the maximum] += dy, the position being found anew: n(K - 1) comparisons, n additions."""
    return Cost(add=grad_output.numel) + _largest(grad_output, window(kernel_size, 2))


@formula(
    "aten::mkldnn_max_pool3d_backward",
    case=Case({"grad_output": (2, 3, 4), "kernel_size": [2]}, (4, 6, 8), Cost(add=24, compare=24 * (8 - 1))),
)
def max_pool3d_backward(grad_output: TensorSpec, kernel_size: Sizes) -> Cost:
    """dx[position of the maximum] += dy, the position being found anew: n(K - 1) comparisons, n additions."""
    return Cost(add=grad_output.numel) + _largest(grad_output, window(kernel_size, 3))


zero("copies elements to positions that are given", "aten::max_unpool2d", "aten::max_unpool3d", family="pooling")
