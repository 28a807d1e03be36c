from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import torch
from oracle import special, total
from proof import Call, Proof, proven, shapes, tensor, unproven

EPS = 1e-5


def rsqrt(x: Any) -> Any:
    return special(lambda t: t**-0.5, x)


def sets(x: np.ndarray, key: Any) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for index in np.ndindex(*x.shape):
        found.setdefault(key(index), []).append(index)
    return found


def batch(grad_out, input, weight, running, saved, train, eps, output_mask):
    dx, dweight, dbias = np.empty_like(input), [], []
    wants, asks = output_mask[0], output_mask
    for c, places in sets(input, lambda i: i[1]).items():
        size = len(places)
        mean, rstd = saved[0][c], saved[1][c]
        if not train and (asks[0] or asks[1]):
            mean, rstd = running[0][c], rsqrt(running[1][c] + eps)
        if asks[1] or (wants and train):
            d = {i: input[i] - mean for i in places}
            t = total([grad_out[i] * d[i] for i in places])
        if asks[2] or (wants and train):
            s = total([grad_out[i] for i in places])
        scale = rstd
        if wants:
            scale = rstd if weight is None else rstd * weight[c]
        if wants and train:
            a, b = s / size, t * rstd * rstd / size
        for i in places if wants else []:
            dx[i] = (grad_out[i] - a - d[i] * b) * scale if train else grad_out[i] * scale
        dweight.append(t * rstd if asks[1] else None)
        dbias.append(s if asks[2] else None)
    return tuple(part if ask else None for part, ask in zip((dx, dweight, dbias), asks, strict=True))


def native(grad_out, input, weight, running_mean, running_var, save_mean, save_invstd, train, eps, output_mask):
    saved = (save_mean, save_invstd)
    return batch(grad_out, input, weight, (running_mean, running_var), saved, train, eps, output_mask)


def unified(grad_out, input, weight, running_mean, running_var, save_mean, save_var, update, eps, output_mask):
    return native(grad_out, input, weight, running_mean, running_var, save_mean, save_var, update, eps, output_mask)


def trained(grad_output, input, weight, save_mean, save_var, epsilon):
    batch(grad_output, input, weight, None, (save_mean, save_var), True, epsilon, (True, True, True))


def reduce(grad_out, input, mean, invstd, input_g, weight_g, bias_g):
    for c, places in sets(input, lambda i: i[1]).items():
        if input_g or bias_g:
            total([grad_out[i] for i in places])
        if input_g or weight_g:
            t = total([grad_out[i] * (input[i] - mean[c]) for i in places])
        if weight_g:
            t * invstd[c]


def elemt(grad_out, input, mean, invstd, weight, sum_dy, sum_dy_xmu):
    for c, places in sets(input, lambda i: i[1]).items():
        a, b = sum_dy[c] / 7, sum_dy_xmu[c] * invstd[c] * invstd[c] / 7
        scale = invstd[c] if weight is None else invstd[c] * weight[c]
        for i in places:
            (grad_out[i] - a - (input[i] - mean[c]) * b) * scale


def layer(grad_out, input, normalized_shape, mean, rstd, weight, output_mask):
    k = input.ndim - len(normalized_shape)
    wants, asks_weight, asks_bias = output_mask
    rows = sets(input, lambda i: i[:k])
    h, dx = {}, np.empty_like(input)
    for row, places in rows.items():
        at = (*row, *[0] * len(normalized_shape))
        if wants or asks_weight:
            h |= {i: (input[i] - mean[at]) * rstd[at] for i in places}
        if wants:
            g = {i: grad_out[i] if weight is None else grad_out[i] * weight[i[k:]] for i in places}
            a = total([g[i] for i in places]) / len(places)
            b = total([g[i] * h[i] for i in places]) / len(places)
            for i in places:
                dx[i] = (g[i] - a - h[i] * b) * rstd[at]
    dweight, dbias = affine(grad_out, h, normalized_shape, k, asks_weight, asks_bias)
    return dx if wants else None, dweight, dbias


def affine(grad_out, h, shape, k, asks_weight, asks_bias):
    dweight, dbias = np.empty(shape, dtype=object), np.empty(shape, dtype=object)
    for column, places in sets(grad_out, lambda i: i[k:]).items():
        if asks_weight:
            dweight[column] = total([grad_out[i] * h[i] for i in places])
        if asks_bias:
            dbias[column] = total([grad_out[i] for i in places])
    return dweight if asks_weight else None, dbias if asks_bias else None


def rms(grad_out, input, normalized_shape, rstd, weight, output_mask):
    k = input.ndim - len(normalized_shape)
    h = {}
    for row, places in sets(input, lambda i: i[:k]).items():
        at = (*row, *[0] * len(normalized_shape))
        if any(output_mask):
            h |= {i: input[i] * rstd[at] for i in places}
        if output_mask[0]:
            g = {i: grad_out[i] if weight is None else grad_out[i] * weight[i[k:]] for i in places}
            b = total([g[i] * h[i] for i in places]) / len(places)
            for i in places:
                (g[i] - h[i] * b) * rstd[at]
    affine(grad_out, h, normalized_shape, k, output_mask[1], False)


def group(grad_out, input, mean, rstd, weight, N, C, group, output_mask):
    wants, asks_weight, asks_bias = output_mask
    size = C // group
    planes = sets(input, lambda i: i[:2])
    d, s, t = {}, {}, {}
    for (n, c), places in planes.items():
        if wants or asks_weight:
            d |= {i: input[i] - mean[n, c // size] for i in places}
            t[n, c] = total([grad_out[i] * d[i] for i in places])
        if wants or asks_bias:
            s[n, c] = total([grad_out[i] for i in places])
    dx = group_dx(grad_out, d, s, t, rstd, weight, size, planes) if wants else None
    per_channel = [[(n, c) for n in range(N)] for c in range(C)]
    dweight = [total([t[p] * rstd[p[0], p[1] // size] for p in channel]) for channel in per_channel if asks_weight]
    dbias = [total([s[p] for p in channel]) for channel in per_channel if asks_bias]
    return dx, dweight if asks_weight else None, dbias if asks_bias else None


def group_dx(grad_out, d, s, t, rstd, weight, size, planes):
    dx = np.empty_like(grad_out)
    weighted = lambda x, c: x if weight is None else x * weight[c]
    for n, g in np.ndindex(*rstd.shape):
        channels = range(g * size, (g + 1) * size)
        length = sum(len(planes[n, c]) for c in channels)
        r = rstd[n, g]
        a = total([weighted(s[n, c], c) for c in channels]) / length * r
        b = total([weighted(t[n, c], c) for c in channels]) / length * r * r * r
        for c in channels:
            scale = weighted(r, c)
            for i in planes[n, c]:
                dx[i] = grad_out[i] * scale - a - d[i] * b
    return dx


def weight_norm(grad_w, saved_v, saved_g, saved_norms, dim):
    dv, dg = np.empty_like(saved_v), []
    for k, places in sets(saved_v, lambda i: i[dim]).items():
        norm = saved_norms.ravel()[k]
        t = total([grad_w[i] * saved_v[i] for i in places])
        dg.append(t / norm)
        pull, factor = t / (norm * norm), saved_g.ravel()[k] / norm
        for i in places:
            dv[i] = (grad_w[i] - saved_v[i] * pull) * factor
    return dv, np.array(dg, dtype=object).reshape(saved_g.shape)


MAYBE = st.booleans()
MASKS = st.one_of(st.just([True, True, True]), st.tuples(MAYBE, MAYBE, MAYBE).map(list))
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(2, 4))


def batch_arguments(shape: tuple[int, ...], weighted: bool, names: tuple[str, ...]) -> dict[str, Any]:
    channels = shape[1]
    input = tensor(*shape)
    flat = input.transpose(0, 1).reshape(channels, -1)
    invstd = (flat.var(1, unbiased=False) + EPS).rsqrt()
    vectors = (tensor(channels, seed=3), tensor(channels, seed=4), flat.mean(1), invstd)
    return {
        "input": input,
        "weight": tensor(channels, seed=2) if weighted else None,
        **dict(zip(names, vectors, strict=True)),
    }


@st.composite
def batches(draw: Any, switch: str, second: str, absent: bool) -> Any:
    shape = draw(SIZES)
    given_ = batch_arguments(shape, draw(MAYBE) or absent, ("running_mean", "running_var", "save_mean", second))
    more = {"grad_out": tensor(*shape, seed=1), switch: draw(MAYBE), "eps": EPS, "output_mask": draw(MASKS)}
    if absent:
        more["reserve"] = tensor(0)
    return Call(given_ | more, out=(tensor(*shape),) * 3 if absent else None)


FUSED = SIZES.map(
    lambda s: Call(
        batch_arguments(s, True, ("running_mean", "running_var", "save_mean", "save_var"))
        | {"grad_output": tensor(*s, seed=1), "epsilon": EPS, "reserveSpace": tensor(0)},
        out=(tensor(*s),) * 3,
    )
)
MIOPEN = FUSED.map(lambda c: Call({k: v for k, v in c.given.items() if k != "reserveSpace"}, out=c.out))


@st.composite
def parts(draw: Any, sums: bool) -> Any:
    shape = draw(SIZES)
    vectors = {name: tensor(shape[1], seed=k) for k, name in enumerate(("mean", "invstd", "sum_dy", "sum_dy_xmu"))}
    given_ = {"grad_out": tensor(*shape), "input": tensor(*shape, seed=1), "weight": vectors["mean"]} | vectors
    if sums:
        given_["weight"] = draw(st.sampled_from([None, vectors["mean"]]))
        return Call(given_ | {"count": torch.ones(1, dtype=torch.int32)}, out=tensor(*shape))
    flags = dict(zip(("input_g", "weight_g", "bias_g"), draw(MASKS), strict=True))
    return Call({k: v for k, v in given_.items() if not k.startswith("sum")} | flags, out=tensor(1))


@st.composite
def layers(draw: Any, root_mean_square: bool) -> Any:
    shape = draw(shapes(1, 3, empty=False))
    k = draw(st.integers(0, len(shape) - 1))
    axes = tuple(range(k, len(shape)))
    x = tensor(*shape)
    arguments = {
        "grad_out": tensor(*shape, seed=1),
        "input": x,
        "normalized_shape": list(shape[k:]),
        "weight": tensor(*shape[k:], seed=2) if draw(MAYBE) else None,
    }
    if root_mean_square:
        return Call(
            arguments | {"rstd": (x.square().mean(axes, True) + EPS).rsqrt(), "output_mask": draw(MASKS)[:2]}, out=x
        )
    spread = (x.var(axes, unbiased=False, keepdim=True) + EPS).rsqrt()
    weight = arguments["weight"]
    mask = draw(MASKS) if weight is not None else [draw(MAYBE), False, False]
    more = {"mean": x.mean(axes, True), "rstd": spread, "bias": weight, "output_mask": mask}
    return Call(arguments | more)


@st.composite
def groups(draw: Any) -> Any:
    n, g, c, hw = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
    x = tensor(n, g * c, hw)
    flat = x.reshape(n, g, -1)
    weight = tensor(g * c, seed=2) if draw(MAYBE) else None
    mask = draw(MASKS)
    return Call(
        {
            "grad_out": tensor(n, g * c, hw, seed=1),
            "input": x,
            "mean": flat.mean(2),
            "rstd": (flat.var(2, unbiased=False) + EPS).rsqrt(),
            "weight": weight,
            "N": n,
            "C": g * c,
            "HxW": hw,
            "group": g,
            "output_mask": mask,
        },
        out=None
        if all(mask) and weight is not None
        else (x, x, x),  # the CPU kernel fails where a gradient is not wanted
    )


@st.composite
def weights(draw: Any) -> Any:
    shape = draw(shapes(2, 3, empty=False))
    dim = draw(st.sampled_from([0, len(shape) - 1]))
    v = tensor(*shape)
    others = [a for a in range(len(shape)) if a != dim]
    norms = v.square().sum(others, keepdim=True).sqrt()
    return Call(
        {
            "grad_w": tensor(*shape, seed=1),
            "saved_v": v,
            "saved_g": tensor(*norms.shape, seed=2),
            "saved_norms": norms,
            "dim": dim,
        }
    )


PROOFS = {
    "aten::native_batch_norm_backward": Proof(native, batches("train", "save_invstd", absent=False)),
    "aten::batch_norm_backward": Proof(unified, batches("update", "save_var", absent=True)),
    "aten::cudnn_batch_norm_backward": Proof(trained, FUSED),
    "aten::miopen_batch_norm_backward": Proof(trained, MIOPEN),
    "aten::batch_norm_backward_reduce": Proof(reduce, parts(sums=False)),
    "aten::batch_norm_backward_elemt": Proof(elemt, parts(sums=True)),
    "aten::native_layer_norm_backward": Proof(layer, layers(root_mean_square=False)),
    "aten::_fused_rms_norm_backward": Proof(rms, layers(root_mean_square=True)),
    "aten::native_group_norm_backward": Proof(group, groups()),
    "aten::_weight_norm_interface_backward": Proof(weight_norm, weights()),
}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "normalization_backward") == set()
