from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import torch
from oracle import Scalar, dot, maximum, minimum, products, select, total, value
from proof import Call, Proof, proven, tensor, unproven

# the weights of a coordinate are given as plain numbers: they are left out


def linear_taps(i: int, inputs: int, outputs: int, align: bool) -> list[tuple[int, float]]:
    x = i * (inputs - 1) / max(outputs - 1, 1) if align else max((i + 0.5) * inputs / outputs - 0.5, 0.0)
    low = min(int(x), inputs - 1)
    return [(low, 1 - (x - low)), (min(low + 1, inputs - 1), x - low)]


def cubic_weights(t: float) -> list[float]:
    a = -0.75
    near = lambda u: ((a + 2) * u - (a + 3)) * u * u + 1
    far = lambda u: ((a * u - 5 * a) * u + 8 * a) * u - 4 * a
    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def cubic_taps(i: int, inputs: int, outputs: int, align: bool) -> list[tuple[int, float]]:
    x = i * (inputs - 1) / max(outputs - 1, 1) if align else (i + 0.5) * inputs / outputs - 0.5
    low = math.floor(x)
    return [(min(max(low + k - 1, 0), inputs - 1), w) for k, w in enumerate(cubic_weights(x - low))]


def interpolate(
    pick: Callable[[tuple[int, ...]], Any], taps: list[list[tuple[int, float]]], at: tuple[int, ...]
) -> Any:
    """Dimension by dimension, the last one innermost."""
    if not taps:
        return pick(at)
    inner = [interpolate(pick, taps[1:], (*at, place)) for place, _ in taps[0]]
    return total([x * weight for x, (_, weight) in zip(inner, taps[0], strict=True)])


def upsample(taps_of: Callable[..., Any], dims: int) -> Callable[..., Any]:
    def reference(self: np.ndarray, out_shape: Any, align_corners: bool) -> Any:
        out = np.empty(out_shape, dtype=object)
        for index in np.ndindex(*out_shape):
            sizes = zip(index[2:], self.shape[2:], out_shape[2:], strict=True)
            taps = [taps_of(i, n, o, align_corners) for i, n, o in sizes]
            out[index] = interpolate(lambda at, index=index: self[(*index[:2], *at)], taps, ())
        return out

    return reference


def upsample_backward(taps_of: Callable[..., Any], dims: int) -> Callable[..., Any]:
    def reference(grad_output: np.ndarray, input_size: Any, align_corners: bool) -> Any:
        out = zeros(input_size)
        for index in np.ndindex(*grad_output.shape):
            sizes = zip(index[2:], input_size[2:], grad_output.shape[2:], strict=True)
            taps = [taps_of(i, n, o, align_corners) for i, n, o in sizes]
            spread(out, index[:2], grad_output[index], taps)
        return out

    return reference


def spread(out: np.ndarray, at: tuple[int, ...], gradient: Any, taps: list[list[tuple[int, float]]]) -> None:
    if not taps:
        out[at] = out[at] + gradient
        return
    for place, weight in taps[0]:
        spread(out, (*at, place), gradient if weight is None else gradient * weight, taps[1:])


def zeros(shape: Any) -> np.ndarray:
    out = np.empty(tuple(shape), dtype=object)
    for index in np.ndindex(*out.shape):
        out[index] = Scalar(0.0)
    return out


def nearest_backward(grad_output: np.ndarray, input_size: Any) -> Any:
    out = zeros(input_size)
    sizes = list(zip(input_size[2:], grad_output.shape[2:], strict=True))
    for index in np.ndindex(*grad_output.shape):
        place = (*index[:2], *(i * n // o for i, (n, o) in zip(index[2:], sizes, strict=True)))
        out[place] = out[place] + grad_output[index]
    return out


def filtered(radius: int) -> Callable[..., Any]:
    """Dense: as many taps everywhere as the filter is wide, which one pass along each dimension takes."""

    def reference(self: np.ndarray, out_shape: Any) -> None:
        _, _, height, width = self.shape
        across = math.ceil(2 * radius * max(1.0, width / out_shape[3]))
        down = math.ceil(2 * radius * max(1.0, height / out_shape[2]))
        rows = np.empty((*self.shape[:3], out_shape[3]), dtype=object)
        for index in np.ndindex(*rows.shape):
            rows[index] = dot([self[(*index[:3], k % width)] for k in range(across)], [0.5] * across)
        for n, c, _, x in np.ndindex(*out_shape):
            dot([rows[n, c, k % height, x] for k in range(down)], [0.5] * down)

    return reference


def filtered_backward(radius: int) -> Callable[..., Any]:
    def reference(grad_output: np.ndarray, input_size: Any) -> None:
        _, _, height, width = input_size
        across = math.ceil(2 * radius * max(1.0, width / grad_output.shape[3]))
        down = math.ceil(2 * radius * max(1.0, height / grad_output.shape[2]))
        columns = zeros((*input_size[:3], grad_output.shape[3]))
        out = zeros(input_size)
        for index in np.ndindex(*grad_output.shape):
            spread(
                columns, index[:2], grad_output[index], [[(k % height, 0.5) for k in range(down)], [(index[3], None)]]
            )
        for index in np.ndindex(*columns.shape):
            spread(out, index[:3], columns[index], [[(k % width, 0.5) for k in range(across)]])

    return reference


# points of a grid


def reflect(x: Any, low: float, high: float) -> Any:
    span = high - low
    t = abs(x - low)
    turns = math.floor(value(minimum(t / span if span else t / 1.0, math.inf)))
    rest = t / (span or 1.0)
    rest = Scalar(math.fmod(value(t), span) if span else 0.0) if rest is not None else rest
    odd = maximum(float(turns % 2), 0.0)
    return select(odd, high - rest, low + rest)


def position(x: Any, size: int, padding_mode: int, align: bool) -> Any:
    a, b = ((size - 1) / 2, (size - 1) / 2) if align else (size / 2, (size - 1) / 2)
    x = x * a + b
    if padding_mode == 2:
        x = reflect(x, *((0, size - 1) if align else (-0.5, size - 0.5)))
    return x if padding_mode == 0 else minimum(maximum(x, 0.0), size - 1.0)


def floor(x: Any) -> int:
    return math.floor(value(minimum(x, math.inf)))


def corner_weights(points: list[Any]) -> list[tuple[tuple[int, ...], list[Any], Any]]:
    """Place, the weight in each dimension, and their product, of all corners; 2^d products of d factors."""
    lows = [floor(p) for p in points]
    highs = [p - low for p, low in zip(points, lows, strict=True)]
    sides = [[(low, 1 - t), (low + 1, t)] for low, t in zip(lows, highs, strict=True)]
    found = []
    for corner in itertools.product(*sides):
        whole = corner[0][1]
        for _, weight in corner[1:]:
            whole = whole * weight
        found.append((tuple(place for place, _ in corner), [weight for _, weight in corner], whole))
    return found


def cubic_scalars(points: list[Any]) -> list[tuple[int, list[Any]]]:
    found = []
    for p in points:
        low = floor(p)
        t = p - low
        found.append((low, [far(t + 1), near(t), near(u := 1 - t), far(u + 1)]))
    return found


def near(u: Any, a: float = -0.75) -> Any:
    return ((a + 2) * u - (a + 3)) * u * u + 1


def far(u: Any, a: float = -0.75) -> Any:
    return ((a * u - 5 * a) * u + 8 * a) * u - 4 * a


def seen(x: np.ndarray, n: int, c: int, place: tuple[int, ...]) -> Any:
    """Places are those of width first."""
    place = place[::-1]
    return x[(n, c, *place)] if all(0 <= p < s for p, s in zip(place, x.shape[2:], strict=True)) else Scalar(0.0)


def points_of(input: np.ndarray, grid: np.ndarray, padding_mode: int, align: bool) -> Any:
    """Each point, and its position in the image."""
    for index in np.ndindex(*grid.shape[:-1]):
        sizes = input.shape[:1:-1]
        yield index, [position(grid[(*index, k)], size, padding_mode, align) for k, size in enumerate(sizes)]


def bicubic(input, n, c, weights):
    (x, across), (y, down) = weights
    rows = [[seen(input, n, c, (x + j - 1, y + i - 1)) for j in range(4)] for i in range(4)]
    return dot([dot(row, across) for row in rows], down)


def sample(input, grid, interpolation_mode=0, padding_mode=0, align_corners=True):
    channels = input.shape[1]
    out = np.empty((grid.shape[0], channels, *grid.shape[1:-1]), dtype=object)
    for index, points in points_of(input, grid, padding_mode, align_corners):
        n, place = index[0], index[1:]
        if interpolation_mode == 0:
            corners = corner_weights(points)
        elif interpolation_mode == 1:
            spot = tuple(round(value(minimum(p, math.inf))) for p in points)
        else:
            weights = cubic_scalars(points)
        for c in range(channels):
            if interpolation_mode == 0:
                y = total([seen(input, n, c, spot) * w for spot, _, w in corners])
            elif interpolation_mode == 1:
                y = seen(input, n, c, spot)
            else:
                y = bicubic(input, n, c, weights)
            out[(n, c, *place)] = y
    return out


def sample_backward(grad_output, input, grid, interpolation_mode, padding_mode, output_mask, align_corners):
    dims = grid.shape[-1]
    dx, dgrid = zeros(input.shape), zeros(grid.shape)
    for index, points in points_of(input, grid, padding_mode, align_corners):
        n, place = index[0], index[1:]
        slopes = [(size - 1) / 2 if align_corners else size / 2 for size in input.shape[:1:-1]]
        if interpolation_mode == 1:
            spot = tuple(round(value(minimum(p, math.inf))) for p in points)
            for c in range(input.shape[1] if output_mask[0] else 0):
                put(dx, n, c, spot, grad_output[(n, c, *place)])
            continue
        neighbours = corner_weights(points) if interpolation_mode == 0 else cubic_neighbours(points, output_mask[1])
        gradient = [Scalar(0.0) for _ in range(dims)]
        for c, corner in itertools.product(range(input.shape[1]), neighbours):
            dy = grad_output[(n, c, *place)]
            if output_mask[0]:
                share = dy * corner[2] if interpolation_mode == 0 else dy * corner[1][0] * corner[1][1]
                put(dx, n, c, corner[0], share)
            if output_mask[1]:
                along(
                    gradient,
                    corner,
                    seen(input, n, c, corner[0]),
                    dy,
                    tuple(map(floor_plain, points)),
                    interpolation_mode,
                )
        if output_mask[1]:
            for k in range(dims):
                dgrid[(*index, k)] = gradient[k] * slopes[k]
    return dx if output_mask[0] else None, dgrid if output_mask[1] else None


def floor_plain(x: Any) -> int:
    return math.floor(value(x))


def cubic_neighbours(points: list[Any], slopes: bool) -> list[Any]:
    (x, across), (z, down) = cubic_scalars(points)
    rates = [cubic_slopes(p) for p in points] if slopes else [[None] * 4] * 2
    return [
        ((x + j - 1, z + i - 1), [across[j], down[i]], (rates[0][j], rates[1][i])) for i in range(4) for j in range(4)
    ]


def cubic_slopes(p: Any, a: float = -0.75) -> list[Any]:
    """The distances are those that the weights were computed from."""
    t = Scalar(value(p) - math.floor(value(p)))
    u = {k: Scalar(value(t) + k) if k > -1 else None for k in (1, 0)}
    one, two = Scalar(1 - value(t)), Scalar(2 - value(t))
    inner = lambda x, sign: (sign * 3 * (a + 2) * x - sign * 2 * (a + 3)) * x + 0.0
    outer = lambda x, sign: (sign * 3 * a * x - sign * 10 * a) * x + sign * 8 * a
    return [outer(u[1], 1), inner(u[0], 1), inner(one, -1), outer(two, -1)]


def put(dx: np.ndarray, n: int, c: int, place: tuple[int, ...], amount: Any) -> None:
    place = (n, c, *place[::-1])
    if all(0 <= p < s for p, s in zip(place, dx.shape, strict=True)):
        dx[place] = dx[place] + amount
    else:
        Scalar(0.0) + amount


def along(gradient: list[Any], corner: Any, x: Any, dy: Any, lows: tuple[int, ...], mode: int) -> None:
    """Adds to each coordinate's gradient what this neighbour gives."""
    place, weights, rates = corner
    for k in range(len(gradient)):
        others = [w for other, w in enumerate(weights) if other != k]
        if mode == 2:
            gradient[k] = gradient[k] + x * rates[k] * others[0] * dy
            continue
        part = x
        for weight in others:
            part = part * weight
        part = part * dy
        gradient[k] = gradient[k] + part if place[k] > lows[k] else gradient[k] - part


def cudnn_sample(self, grid):
    sample(self, grid)


def cudnn_sample_backward(self, grid, grad_output):
    sample_backward(grad_output, self, grid, 0, 0, (True, True), True)


def affine_grid(theta, out_shape, align_corners=True):
    out = np.empty(out_shape, dtype=object)
    sizes = out_shape[1:-1]
    for index in np.ndindex(*out_shape):
        n, place, k = index[0], index[1:-1], index[-1]
        spot = [coordinate(p, s, align_corners) for p, s in zip(place[::-1], sizes[::-1], strict=True)]
        out[index] = products(list(theta[n, k]), [*spot, 1.0])
    return out


def coordinate(p: int, size: int, align: bool) -> float:
    if align:
        return -1 + 2 * p / (size - 1) if size > 1 else 0.0
    return (2 * p + 1) / size - 1


def affine_grid_backward(grad, out_shape):
    places = list(np.ndindex(*grad.shape[1:-1]))
    for n, k, _ in np.ndindex(*out_shape):
        products([grad[(n, *place, k)] for place in places], [1.0] * len(places))


ALIGN = st.booleans()


@st.composite
def resized(draw: Any, dims: int, *, align: bool = True, backward: bool = False) -> Any:
    inputs = [draw(st.integers(1, 4)) for _ in range(dims)]
    outputs = [draw(st.integers(1, 5)) for _ in range(dims)]
    more = {"align_corners": draw(ALIGN)} if align else {}
    if backward:
        return Call(
            {"grad_output": tensor(1, 2, *outputs), "output_size": outputs, "input_size": [1, 2, *inputs]} | more
        )
    return Call({"self": tensor(1, 2, *inputs), "output_size": outputs} | more)


def exact(dims: int) -> st.SearchStrategy[Call]:
    return resized(dims, align=False, backward=True)


@st.composite
def grids(draw: Any, dims: int, *, backward: bool = False, modes: Any = (0, 1, 2), mask: bool = True) -> Any:
    inputs = [draw(st.integers(2, 4)) for _ in range(dims)]
    points = [draw(st.integers(1, 2)) for _ in range(dims)]
    mode = draw(st.sampled_from(modes))
    # torch pads the neighbours of a cubic sample, not its position
    padding = 0 if mode == 2 else draw(st.integers(0, 2))
    arguments = {
        "input": tensor(1, 2, *inputs),
        "grid": (tensor(1, *points, dims, seed=1) - 1) * 0.7,
        "interpolation_mode": mode,
        "padding_mode": padding,
        "align_corners": draw(ALIGN),
    }
    if not backward:
        return Call(arguments)
    arguments["grad_output"] = tensor(1, 2, *points, seed=2)
    if mask:
        arguments["output_mask"] = [draw(ALIGN), draw(ALIGN)]
    inside = padding == 0 and all(arguments.get("output_mask", [True]))
    return Call(arguments, out=None if inside else (arguments["input"], arguments["grid"]))


def sampled(call: Call, *names: str) -> Call:
    given_ = {"self": call.given["input"], "grid": call.given["grid"]}
    given_ |= {name: call.given[name] for name in names}
    return Call(given_, out=(call.given["input"], call.given["grid"]))


THETA = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), ALIGN).map(
    lambda it: Call({"theta": tensor(it[0], 2, 3), "size": [it[0], 1, it[1], it[2]], "align_corners": it[3]})
)
CUDNN_THETA = THETA.map(
    lambda c: Call(
        {"theta": c.given["theta"]} | dict(zip("NCHW", c.given["size"], strict=True)),
        out=tensor(c.given["size"][0], *c.given["size"][2:], 2),
    )
)
CUDNN_GRAD = CUDNN_THETA.map(
    lambda c: Call({"grad": c.out} | {k: v for k, v in c.given.items() if k != "theta"}, out=c.given["theta"])
)
SMALL = resized(2).map(lambda call: Call(call.given | {"align_corners": False}))
SMALL_BACKWARD = resized(2, backward=True).map(lambda call: Call(call.given | {"align_corners": False}))
LANCZOS = SMALL.map(lambda call: Call(call.given, out=torch.empty(1, 2, *call.given["output_size"])))
LANCZOS_BACKWARD = SMALL_BACKWARD.map(lambda call: Call(call.given, out=torch.empty(call.given["input_size"])))


def single(call: Call) -> Call:
    """The kernel for the CPU takes single precision only."""
    given_ = {k: v.float() if isinstance(v, torch.Tensor) else v for k, v in call.given.items()}
    return Call(given_, out=call.out)


PROOFS = {
    **{f"aten::upsample_nearest{d}d_backward": Proof(nearest_backward, exact(d)) for d in (1, 2, 3)},
    **{
        f"aten::_upsample_nearest_exact{d}d_backward": Proof(nearest_backward, exact(d), alike=False) for d in (1, 2, 3)
    },
    "aten::upsample_linear1d": Proof(upsample(linear_taps, 1), resized(1)),
    "aten::upsample_bilinear2d": Proof(upsample(linear_taps, 2), resized(2)),
    "aten::upsample_trilinear3d": Proof(upsample(linear_taps, 3), resized(3)),
    "aten::upsample_bicubic2d": Proof(upsample(cubic_taps, 2), resized(2)),
    "aten::upsample_linear1d_backward": Proof(upsample_backward(linear_taps, 1), resized(1, backward=True)),
    "aten::upsample_bilinear2d_backward": Proof(upsample_backward(linear_taps, 2), resized(2, backward=True)),
    "aten::upsample_trilinear3d_backward": Proof(upsample_backward(linear_taps, 3), resized(3, backward=True)),
    "aten::upsample_bicubic2d_backward": Proof(upsample_backward(cubic_taps, 2), resized(2, backward=True)),
    "aten::_upsample_bilinear2d_aa": Proof(filtered(1), SMALL),
    "aten::_upsample_bicubic2d_aa": Proof(filtered(2), SMALL),
    "aten::_upsample_lanczos2d_aa": Proof(filtered(3), LANCZOS),
    "aten::_upsample_bilinear2d_aa_backward": Proof(filtered_backward(1), SMALL_BACKWARD),
    "aten::_upsample_bicubic2d_aa_backward": Proof(filtered_backward(2), SMALL_BACKWARD),
    "aten::_upsample_lanczos2d_aa_backward": Proof(filtered_backward(3), LANCZOS_BACKWARD),
    "aten::grid_sampler_2d": Proof(sample, grids(2)),
    "aten::grid_sampler_3d": Proof(sample, grids(3, modes=(0, 1))),
    "aten::_grid_sampler_2d_cpu_fallback": Proof(sample, grids(2).map(single), alike=False),
    "aten::grid_sampler_2d_backward": Proof(sample_backward, grids(2, backward=True)),
    "aten::grid_sampler_3d_backward": Proof(sample_backward, grids(3, backward=True, modes=(0, 1))),
    "aten::_grid_sampler_2d_cpu_fallback_backward": Proof(
        lambda grad_output, input, grid, interpolation_mode, padding_mode, align_corners: sample_backward(
            grad_output, input, grid, interpolation_mode, padding_mode, (True, True), align_corners
        ),
        grids(2, backward=True, mask=False).map(single),
        alike=False,
    ),
    "aten::cudnn_grid_sampler": Proof(cudnn_sample, grids(2).map(sampled)),
    "aten::cudnn_grid_sampler_backward": Proof(
        cudnn_sample_backward, grids(2, backward=True).map(lambda c: sampled(c, "grad_output"))
    ),
    "aten::affine_grid_generator": Proof(affine_grid, THETA),
    "aten::cudnn_affine_grid_generator": Proof(affine_grid, CUDNN_THETA),
    "aten::cudnn_affine_grid_generator_backward": Proof(affine_grid_backward, CUDNN_GRAD),
}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "resample", "resample_grid") == set()
