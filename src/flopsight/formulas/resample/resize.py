"""Resampling.   n elements · d dimensions · I, O sizes in and out · r radius of a filter · T its taps

Weights belong to a coordinate, not to an element, and are left out. A gradient starts from zeros and is added to.
"""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import Cost, TensorSpec, product
from flopsight.formulas.registry import Case, formula, zero

Sizes = Sequence[int]

LINEAR = Cost(multiply=2, add=1)
"""w0 * x0 + w1 * x1"""
CUBIC = Cost(multiply=4, add=3)
"""w0 * x0 + w1 * x1 + w2 * x2 + w3 * x3"""

zero(
    "copies the nearest element",
    "aten::upsample_nearest1d",
    "aten::upsample_nearest2d",
    "aten::upsample_nearest3d",
    "aten::_upsample_nearest_exact1d",
    "aten::_upsample_nearest_exact2d",
    "aten::_upsample_nearest_exact3d",
    family="resample",
)


@formula(
    "aten::upsample_nearest1d_backward", "aten::upsample_nearest2d_backward", "aten::upsample_nearest3d_backward",
    "aten::_upsample_nearest_exact1d_backward", "aten::_upsample_nearest_exact2d_backward",
    "aten::_upsample_nearest_exact3d_backward",
    case=Case({"grad_output": (2, 3, 8)}, (2, 3, 4), Cost(add=48)),
)  # fmt: skip
def nearest_backward(grad_output: TensorSpec) -> Cost:
    """dx[nearest] += dy: n additions."""
    return Cost(add=grad_output.numel)


@formula("aten::upsample_linear1d", case=Case({}, (2, 3, 8), Cost(multiply=2 * 48, add=48)))
def linear1d(out: TensorSpec) -> Cost:
    """y = w0*x0 + w1*x1: 2n multiplications, n additions."""
    return out.numel * LINEAR


@formula("aten::upsample_bilinear2d", case=Case({}, (2, 3, 8), Cost(multiply=6 * 48, add=3 * 48)))
def bilinear2d(out: TensorSpec) -> Cost:
    """y = h0*(w0*x00 + w1*x01) + h1*(w0*x10 + w1*x11): 6n multiplications, 3n additions."""
    return out.numel * (2 * LINEAR + LINEAR)


@formula("aten::upsample_trilinear3d", case=Case({}, (2, 3, 8), Cost(multiply=14 * 48, add=7 * 48)))
def trilinear3d(out: TensorSpec) -> Cost:
    """y = d0*(bilinear of one plane) + d1*(bilinear of the next): 14n multiplications, 7n additions."""
    return out.numel * (4 * LINEAR + 2 * LINEAR + LINEAR)


@formula("aten::upsample_bicubic2d", case=Case({}, (2, 3, 8), Cost(multiply=20 * 48, add=15 * 48)))
def bicubic2d(out: TensorSpec) -> Cost:
    """y = sum of h_i * (sum of w_j * x_ij), i, j = 0..3: 20n multiplications, 15n additions."""
    return out.numel * (4 * CUBIC + CUBIC)


@formula("aten::upsample_linear1d_backward", case=Case({"grad_output": (48,)}, (24,), Cost(multiply=96, add=96)))
def linear1d_backward(grad_output: TensorSpec) -> Cost:
    """dx_i += w_i * dy, i = 0, 1: 2n multiplications, 2n additions."""
    return grad_output.numel * Cost(multiply=2, add=2)


@formula("aten::upsample_bilinear2d_backward", case=Case({"grad_output": (48,)}, (24,), Cost(multiply=288, add=192)))
def bilinear2d_backward(grad_output: TensorSpec) -> Cost:
    """dx_ij += w_j * (h_i * dy), i, j = 0, 1: (2 + 4)n multiplications, 4n additions."""
    return grad_output.numel * Cost(multiply=2 + 4, add=4)


@formula(
    "aten::upsample_trilinear3d_backward",
    case=Case({"grad_output": (48,)}, (24,), Cost(multiply=(2 + 4 + 8) * 48, add=8 * 48)),
)
def trilinear3d_backward(grad_output: TensorSpec) -> Cost:
    """dx_kij += w_j * (h_i * (d_k * dy)), i, j, k = 0, 1: (2 + 4 + 8)n multiplications, 8n additions."""
    return grad_output.numel * Cost(multiply=2 + 4 + 8, add=8)


@formula(
    "aten::upsample_bicubic2d_backward",
    case=Case({"grad_output": (48,)}, (24,), Cost(multiply=(4 + 16) * 48, add=16 * 48)),
)
def bicubic2d_backward(grad_output: TensorSpec) -> Cost:
    """dx_ij += w_j * (h_i * dy), i, j = 0..3: (4 + 16)n multiplications, 16n additions."""
    return grad_output.numel * Cost(multiply=4 + 16, add=16)


def taps(inputs: int, outputs: int, radius: int) -> int:
    """How many inputs a filter reaches: 2r, and ceil(2r * I / O) where it widens to shrink an image."""
    return 2 * radius if inputs <= outputs else -(-2 * radius * inputs // outputs)


def _passes(inputs: Sizes, outputs: Sizes, radius: int) -> list[tuple[int, int]]:
    """First along the width, then along the height: each pass's results, and its taps."""
    *batch, height, width = inputs
    high, wide = outputs[-2:]
    planes = product(batch)
    across, down = taps(width, wide, radius), taps(height, high, radius)
    return [(planes * height * wide, across), (planes * high * wide, down)]


def _filtered(inputs: TensorSpec, outputs: TensorSpec, radius: int) -> Cost:
    passes = _passes(inputs.shape, outputs.shape, radius)
    return Cost(multiply=sum(n * T for n, T in passes), add=sum(n * (T - 1) for n, T in passes))


def _spread(input_size: Sizes, grad_output: TensorSpec, radius: int) -> Cost:
    steps = sum(n * T for n, T in _passes(input_size, grad_output.shape, radius))
    return Cost(multiply=steps, add=steps)


def _given(self: TensorSpec | None, input: TensorSpec | None) -> TensorSpec:
    """The image, which one overload calls `self` and the other `input`."""
    image = self or input
    assert image is not None
    return image


@formula(
    "aten::_upsample_bilinear2d_aa",
    case=Case({"self": (2, 8, 6)}, (2, 3, 3), Cost(multiply=48 * 4 + 18 * 6, add=48 * 3 + 18 * 5)),
)
def bilinear2d_aa(out: TensorSpec, self: TensorSpec | None = None, input: TensorSpec | None = None) -> Cost:
    """y = sum of T weights w_j * x_j, along the width and then the height; T = ceil(2r * max(1, I / O)), r = 1."""
    return _filtered(_given(self, input), out, 1)


@formula(
    "aten::_upsample_bicubic2d_aa",
    case=Case({"self": (2, 8, 6)}, (2, 4, 6), Cost(multiply=96 * 4 + 48 * 8, add=96 * 3 + 48 * 7)),
)
def bicubic2d_aa(out: TensorSpec, self: TensorSpec | None = None, input: TensorSpec | None = None) -> Cost:
    """y = sum of T weights w_j * x_j, along the width and then the height; T = ceil(2r * max(1, I / O)), r = 2."""
    return _filtered(_given(self, input), out, 2)


@formula(
    "aten::_upsample_lanczos2d_aa",
    case=Case({"self": (2, 8, 6)}, (2, 4, 6), Cost(multiply=96 * 6 + 48 * 12, add=96 * 5 + 48 * 11)),
)
def lanczos2d_aa(out: TensorSpec, self: TensorSpec | None = None, input: TensorSpec | None = None) -> Cost:
    """y = sum of T weights w_j * x_j, along the width and then the height; T = ceil(2r * max(1, I / O)), r = 3."""
    return _filtered(_given(self, input), out, 3)


_SHRUNK = {"grad_output": (2, 4, 6), "input_size": [2, 8, 6]}


@formula(
    "aten::_upsample_bilinear2d_aa_backward",
    case=Case(_SHRUNK, (2, 8, 6), Cost(multiply=96 * 2 + 48 * 4, add=96 * 2 + 48 * 4)),
)
def bilinear2d_aa_backward(grad_output: TensorSpec, input_size: Sizes) -> Cost:
    """dx_j += w_j * dy for T weights, along the height and then the width; T = ceil(2r * max(1, I / O)), r = 1."""
    return _spread(input_size, grad_output, 1)


@formula(
    "aten::_upsample_bicubic2d_aa_backward",
    case=Case(_SHRUNK, (2, 8, 6), Cost(multiply=96 * 4 + 48 * 8, add=96 * 4 + 48 * 8)),
)
def bicubic2d_aa_backward(grad_output: TensorSpec, input_size: Sizes) -> Cost:
    """dx_j += w_j * dy for T weights, along the height and then the width; T = ceil(2r * max(1, I / O)), r = 2."""
    return _spread(input_size, grad_output, 2)


@formula(
    "aten::_upsample_lanczos2d_aa_backward",
    case=Case(_SHRUNK, (2, 8, 6), Cost(multiply=96 * 6 + 48 * 12, add=96 * 6 + 48 * 12)),
)
def lanczos2d_aa_backward(grad_output: TensorSpec, input_size: Sizes) -> Cost:
    """dx_j += w_j * dy for T weights, along the height and then the width; T = ceil(2r * max(1, I / O)), r = 3."""
    return _spread(input_size, grad_output, 3)
