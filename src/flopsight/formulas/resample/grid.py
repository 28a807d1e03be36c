"""Resampling at the points of a grid.   P points of all batches · C channels · d dimensions

A coordinate from -1 to 1 becomes a position a * x + b, the padding mode brings it into the image, and the image is
interpolated there: with 2^d neighbours (linear), 4^d (cubic), or none (nearest). Whether a neighbour is inside the
image is index work and left out. Gradients start from zeros and are added to.
"""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import ZERO, Cost, TensorSpec, contraction, product
from flopsight.formulas.registry import Case, formula

BILINEAR, NEAREST, BICUBIC = 0, 1, 2
POSITION = Cost(multiply=1, add=1)
"""a * x + b, with a and b the same for all points"""
PADDING = (
    ZERO,
    Cost(compare=2),
    Cost(add=3, compare=6, divide=2),
)
"""zeros: nothing. border: min(max(x, 0), size - 1). reflection: t = |x - low|, turns = floor(t / span),
r = t - span * floor(t / span) as one remainder, low + r or high - r by whether turns is even, then as border."""

CUBIC = Cost(compare=1, add=1 + 4 + 2 + 3 + 4, multiply=3 + 3 + 3 + 3)
"""t = x - floor(x), and the weights of the neighbours at distances t + 1, t, 1 - t, 2 - t: the outer two
((A*u - 5A)*u + 8A)*u - 4A, the inner two ((A + 2)*u - (A + 3))*u*u + 1."""
CUBIC_SLOPES = Cost(add=4 * 2, multiply=4 * 2)
"""The derivatives of the four weights, (a*u + b)*u + c each."""


def _position(d: int, padding_mode: int) -> Cost:
    return d * (POSITION + PADDING[padding_mode])


def _linear_weights(d: int) -> Cost:
    """d times x - floor(x) and 1 - that; the 2^d corners have products of d of them."""
    corners = 2**d
    return Cost(compare=d, add=2 * d, multiply=corners * (d - 1))


def _sample(d: int, mode: int) -> tuple[Cost, Cost]:
    """What a point costs once, and for each channel."""
    if mode == NEAREST:
        return Cost(compare=d), ZERO
    if mode == BICUBIC:
        return d * CUBIC, Cost(multiply=20, add=15)
    corners = 2**d
    return _linear_weights(d), Cost(multiply=corners, add=corners - 1)


def _forward(input: TensorSpec, grid: TensorSpec, mode: int, padding_mode: int) -> Cost:
    d = grid.shape[-1]
    points = product(grid.shape[:-1])
    once, channel = _sample(d, mode)
    return points * (_position(d, padding_mode) + once) + points * input.shape[1] * channel


def _gradient(d: int, mode: int, mask: Sequence[bool]) -> tuple[Cost, Cost]:
    """What a point costs once, and for each channel, backward."""
    image, points = mask
    once, _ = _sample(d, mode)
    if mode == NEAREST:
        return once, Cost(add=1) if image else ZERO
    neighbours = 16 if mode == BICUBIC else 2**d
    channel = ZERO
    if image:
        channel += neighbours * Cost(multiply=2 if mode == BICUBIC else 1, add=1)
    if points:
        once += d * Cost(multiply=1) + (d * CUBIC_SLOPES if mode == BICUBIC else ZERO)
        channel += neighbours * d * Cost(multiply=3 if mode == BICUBIC else d, add=1)
    return once, channel


def _backward(input: TensorSpec, grid: TensorSpec, mode: int, padding_mode: int, mask: Sequence[bool]) -> Cost:
    d = grid.shape[-1]
    points = product(grid.shape[:-1])
    once, channel = _gradient(d, mode, mask)
    return points * (_position(d, padding_mode) + once) + points * input.shape[1] * channel


_GRID = {"input": (1, 3, 4, 4), "grid": (1, 2, 5, 2), "interpolation_mode": BILINEAR, "padding_mode": 0}
_POINT = Cost(multiply=2 + 4, add=2 + 4, compare=2)


@formula(
    "aten::grid_sampler_2d", "aten::grid_sampler_3d", "aten::_grid_sampler_2d_cpu_fallback",
    case=Case(_GRID, (1, 3, 2, 5), 10 * _POINT + 10 * 3 * Cost(multiply=4, add=3)),
)  # fmt: skip
def grid_sampler(input: TensorSpec, grid: TensorSpec, interpolation_mode: int, padding_mode: int) -> Cost:
    """y = sum of 2^d corners w * x: a product each and 2^d - 1 additions a channel; the weights once a point.

    A point: d positions a * x + b, padding, and the weights: for each dimension floor, x - floor(x) and 1 - that, then
    2^d products of d factors. Cubic (d = 2): 4 weights a dimension (12 multiplications, 14 additions and a floor), and
    20 multiplications, 15 additions a channel. Nearest: d roundings.
    """
    return _forward(input, grid, interpolation_mode, padding_mode)


@formula(
    "aten::grid_sampler_2d_backward", "aten::grid_sampler_3d_backward",
    "aten::_grid_sampler_2d_cpu_fallback_backward",
    case=Case(
        {**_GRID, "output_mask": [True, True]},
        ((1, 3, 4, 4), (1, 2, 5, 2)),
        10 * (_POINT + Cost(multiply=2)) + 10 * 3 * Cost(multiply=4 + 4 * 2 * 2, add=4 + 4 * 2),
    ),
)  # fmt: skip
def grid_sampler_backward(
    input: TensorSpec,
    grid: TensorSpec,
    interpolation_mode: int,
    padding_mode: int,
    output_mask: Sequence[bool] = (True, True),
) -> Cost:
    """dx[corner] += w * dy; dgrid += (+-x * other weights * dy), summed over corners and channels, times a.

    A channel: 2^d products and additions for the image; d * 2^d times d products and an addition for the grid. The
    weights are computed again, as forward. Cubic: w is a product of two, and the grid needs 4 slopes a dimension.
    """
    return _backward(input, grid, interpolation_mode, padding_mode, output_mask)


_CUDNN = {"self": (1, 3, 4, 4), "grid": (1, 2, 5, 2)}


@formula("aten::cudnn_grid_sampler", case=Case(_CUDNN, (1, 3, 2, 5), 10 * _POINT + 30 * Cost(multiply=4, add=3)))
def cudnn_grid_sampler(self: TensorSpec, grid: TensorSpec) -> Cost:
    """y = sum of 2^d corners w * x, linear, with zeros as padding."""
    return _forward(self, grid, BILINEAR, 0)


@formula(
    "aten::cudnn_grid_sampler_backward",
    case=Case(
        _CUDNN,
        ((1, 3, 4, 4), (1, 2, 5, 2)),
        10 * (_POINT + Cost(multiply=2)) + 30 * Cost(multiply=4 + 16, add=4 + 8),
    ),
)
def cudnn_grid_sampler_backward(self: TensorSpec, grid: TensorSpec) -> Cost:
    """dx[corner] += w * dy; dgrid += (+-x * other weights * dy), times a; linear, with zeros as padding."""
    return _backward(self, grid, BILINEAR, 0, (True, True))


@formula(
    "aten::affine_grid_generator", "aten::cudnn_affine_grid_generator",
    case=Case({"theta": (2, 2, 3)}, (2, 4, 5, 2), Cost(macs=80 * 3, results=80)),
)  # fmt: skip
def affine_grid(theta: TensorSpec, out: TensorSpec) -> Cost:
    """grid = theta * (x, y, 1): a dot product of length d + 1 for each coordinate."""
    return contraction(outputs=out.numel, length=theta.shape[-1])


@formula(
    "aten::cudnn_affine_grid_generator_backward",
    case=Case({"grad": (2, 4, 5, 2)}, (2, 2, 3), Cost(macs=12 * 20, results=12)),
)
def affine_grid_backward(grad: TensorSpec, out: TensorSpec) -> Cost:
    """dtheta = sum over all points of dgrid * (x, y, 1): N*d*(d + 1) dot products of length H*W."""
    return contraction(outputs=out.numel, length=product(grad.shape[1:-1]))
