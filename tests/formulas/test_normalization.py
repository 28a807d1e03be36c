from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import torch
from oracle import special, sqrt, total
from proof import Call, Proof, proven, shapes, tensor, unproven

EPS = 1e-5


def rsqrt(x: Any) -> Any:
    return special(lambda t: t**-0.5, x)


def sets(x: np.ndarray, key: Any) -> dict[Any, list[Any]]:
    """Indices of the elements that are normalized together."""
    found: dict[Any, list[Any]] = {}
    for index in np.ndindex(*x.shape):
        found.setdefault(key(index), []).append(index)
    return found


def statistics(x: np.ndarray, indices: list[Any], eps: float) -> tuple[Any, Any, dict[Any, Any], Any]:
    """mean, variance, deviations, 1 / sqrt(variance + eps)."""
    mean = total([x[i] for i in indices]) / len(indices)
    d = {i: x[i] - mean for i in indices}
    var = total([d[i] * d[i] for i in indices]) / len(indices)
    return mean, var, d, rsqrt(var + eps)


def follow(running: np.ndarray | None, c: int, new: Any, momentum: float, factor: float | None = None) -> None:
    if running is not None:
        running[c] = (1 - momentum) * running[c] + momentum * (new if factor is None else new * factor)


def trained(input, weight, bias, running_mean, running_var, momentum, eps):
    out = np.empty_like(input)
    for c, indices in sets(input, lambda i: i[1]).items():
        mean, var, d, rstd = statistics(input, indices, eps)
        scale = rstd if weight is None else rstd * weight[c]
        for i in indices:
            out[i] = d[i] * scale if bias is None else d[i] * scale + bias[c]
        follow(running_mean, c, mean, momentum)
        follow(running_var, c, var, momentum, len(indices) / max(len(indices) - 1, 1))
    return out


def inferred(input, weight, bias, running_mean, running_var, eps):
    out = np.empty_like(input)
    for c in range(input.shape[1]):
        rstd = rsqrt(running_var[c] + eps)
        fold(input, out, c, rstd, running_mean[c], weight, bias)
    return out


def fold(input, out, c, rstd, mean, weight, bias):
    a = rstd if weight is None else rstd * weight[c]
    b = -(mean * a) if bias is None else bias[c] - mean * a
    for i in np.ndindex(*input.shape):
        if i[1] == c:
            out[i] = input[i] * a + b


def batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    if training:
        return trained(input, weight, bias, running_mean, running_var, momentum, eps)
    return inferred(input, weight, bias, running_mean, running_var, eps)


def named_otherwise(input, weight, bias, running_mean, running_var, training, exponential_average_factor, epsilon):
    return batch_norm(input, weight, bias, running_mean, running_var, training, exponential_average_factor, epsilon)


def stats(input, eps):
    found = [statistics(input, indices, eps) for indices in sets(input, lambda i: i[1]).values()]
    return [f[0] for f in found], [f[3] for f in found]


def update_stats(input, running_mean, running_var, momentum):
    means, variances = [], []
    for c, indices in sets(input, lambda i: i[1]).items():
        mean = total([input[i] for i in indices]) / len(indices)
        d = [input[i] - mean for i in indices]
        var = total([t * t for t in d]) / len(indices)
        follow(running_mean, c, mean, momentum)
        follow(running_var, c, var, momentum, len(indices) / max(len(indices) - 1, 1))
        means.append(mean)
        variances.append(var)
    return means, variances


def elemt(input, weight, bias, mean, invstd):
    out = np.empty_like(input)
    for c in range(input.shape[1]):
        fold(input, out, c, invstd[c], mean[c], weight, bias)
    return out


def gather_stats(mean, invstd, running_mean, running_var, momentum, eps, counts=None):
    parts, channels = mean.shape
    whole = parts if counts is None else total(list(counts))
    weigh = (lambda p, x: x) if counts is None else (lambda p, x: x * counts[p])
    for c in range(channels):
        middle = total([weigh(p, mean[p, c]) for p in range(parts)]) / whole
        spread = []
        for p in range(parts):
            var = 1.0 / (invstd[p, c] * invstd[p, c]) - eps
            d = mean[p, c] - middle
            spread.append(weigh(p, var + d * d))
        var = total(spread) / whole
        rsqrt(var + eps)
        follow(running_mean, c, middle, momentum)
        follow(running_var, c, var, momentum, 1.5)


def layer_norm(input, normalized_shape, weight, bias, eps):
    k = len(normalized_shape)
    out = np.empty_like(input)
    for indices in sets(input, lambda i: i[: len(i) - k]).values():
        _, _, d, rstd = statistics(input, indices, eps)
        for i in indices:
            y = d[i] * rstd
            y = y if weight is None else y * weight[i[len(i) - k :]]
            out[i] = y if bias is None else y + bias[i[len(i) - k :]]
    return out


def group_norm(input, weight, bias, group, eps):
    out = np.empty_like(input)
    size = input.shape[1] // group
    for indices in sets(input, lambda i: (i[0], i[1] // size)).values():
        _, _, d, rstd = statistics(input, indices, eps)
        scales = {c: rstd if weight is None else rstd * weight[c] for c in sorted({i[1] for i in indices})}
        for i in indices:
            out[i] = d[i] * scales[i[1]] if bias is None else d[i] * scales[i[1]] + bias[i[1]]
    return out


def rms_norm(input, normalized_shape, weight, eps):
    k = len(normalized_shape)
    out = np.empty_like(input)
    for indices in sets(input, lambda i: i[: len(i) - k]).values():
        rstd = rsqrt(total([input[i] * input[i] for i in indices]) / len(indices) + eps)
        for i in indices:
            y = input[i] * rstd
            out[i] = y if weight is None else y * weight[i[len(i) - k :]]
    return out


def norm2(items):
    return sqrt(total([x * x for x in items]))


def limit(items, maxnorm):
    norm = norm2(items)
    over = norm > maxnorm
    factor = maxnorm / (norm + 1e-7)
    return [x * (factor if bool(over) else 1.0) for x in items]


def renorm(self, dim, maxnorm):
    out = self.copy()
    moved = np.moveaxis(out, dim, 0)
    for k in range(len(moved)):
        places = list(np.ndindex(*moved[k].shape))
        for place, x in zip(places, limit([moved[k][i] for i in places], maxnorm), strict=True):
            moved[k][place] = x
    return out


def embedding_renorm(self, indices, max_norm):
    for row in indices.ravel():
        limit(list(self[row]), max_norm)


def weight_norm(v, g, dim):
    out = v.copy()
    moved, factors = np.moveaxis(out, dim, 0), g.ravel()
    for k in range(len(moved)):
        factor = factors[k] / norm2(list(moved[k].ravel()))
        for place in np.ndindex(*moved[k].shape):
            moved[k][place] = moved[k][place] * factor
    return out


SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(2, 4))
MAYBE = st.booleans()


@st.composite
def batches(draw: Any, *, training: bool | None = None, names: Any = ("momentum", "eps"), run: bool = True) -> Any:
    """Arguments of a batch norm: affine or not, with running statistics or not."""
    shape = draw(SIZES)
    channels = shape[1]
    train = draw(MAYBE) if training is None else training
    keeps = draw(MAYBE) if train and run else True
    arguments: dict[str, Any] = {
        "input": tensor(*shape),
        "weight": tensor(channels, seed=1) if draw(MAYBE) else None,
        "bias": tensor(channels, seed=2) if draw(MAYBE) else None,
        "running_mean": tensor(channels, seed=3) if keeps else None,
        "running_var": tensor(channels, seed=4) if keeps else None,
        names[0]: 0.1,
        names[1]: EPS,
    }
    return arguments | ({"training": train} if training is None else {})


def batch_calls(overload: str = "default", absent: bool = False, **options: Any) -> st.SearchStrategy[Call]:
    out = {"out": tensor(1)} if absent else {}
    return batches(**options).map(lambda given: Call(given, overload, **out))


@st.composite
def some(draw: Any, *names: str, absent: bool = True, **more: Any) -> Any:
    """Per-channel tensors by name beside an input."""
    shape = draw(SIZES)
    vectors = {name: tensor(shape[1], seed=k) for k, name in enumerate(names)}
    for name in ("weight", "bias", "running_mean"):
        if name in vectors and draw(MAYBE):
            vectors[name] = None
            if name == "running_mean":
                vectors["running_var"] = None
    return Call({"input": tensor(*shape, seed=9)} | vectors | more, out=tensor(1) if absent else None)


@st.composite
def gathered(draw: Any, counts: bool) -> Any:
    parts, channels = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    runs = draw(MAYBE)
    more = {"counts": torch.full((parts,), 2.0)} if counts else {"count": 2}
    return Call(
        {
            "input": tensor(2, channels, 3),
            "mean": tensor(parts, channels),
            "invstd": tensor(parts, channels, seed=1),
            "running_mean": tensor(channels) if runs else None,
            "running_var": tensor(channels) if runs else None,
            "momentum": 0.1,
            "eps": EPS,
        }
        | more,
        out=tensor(1),
    )


@st.composite
def layers(draw: Any, *, bias: bool = True, absent: bool = False) -> Any:
    shape = draw(shapes(1, 3, empty=False))
    last = shape[draw(st.integers(0, len(shape) - 1)) :]
    vectors = {"weight": tensor(*last, seed=1) if draw(MAYBE) else None}
    if bias:
        vectors["bias"] = tensor(*last, seed=2) if draw(MAYBE) else None
    return Call({"input": tensor(*shape), "normalized_shape": list(last), "eps": EPS} | vectors)


@st.composite
def groups(draw: Any) -> Any:
    n, g, c, hw = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
    affine = {"weight": tensor(g * c, seed=1) if draw(MAYBE) else None, "bias": tensor(g * c) if draw(MAYBE) else None}
    sizes = {"N": n, "C": g * c, "HxW": hw, "group": g, "eps": EPS}
    return Call({"input": tensor(n, g * c, hw)} | affine | sizes)


RENORMS = shapes(2, 3, empty=False).map(lambda s: Call({"self": tensor(*s), "p": 2, "dim": -1, "maxnorm": 1.0}))
ROWS = st.integers(1, 4).map(
    lambda n: Call({"self": tensor(6, 3), "indices": torch.arange(n), "max_norm": 1.0, "norm_type": 2.0})
)
WEIGHTS = st.tuples(shapes(2, 3, empty=False), MAYBE).map(
    lambda it: Call(
        {
            "v": tensor(*it[0]),
            "g": tensor(*([it[0][0]] + [1] * (len(it[0]) - 1) if it[1] else [1] * (len(it[0]) - 1) + [it[0][-1]])),
            "dim": 0 if it[1] else len(it[0]) - 1,
        }
    )
)
RUNNING = ("weight", "bias", "mean", "invstd")
FUSED = batch_calls(names=("exponential_average_factor", "epsilon"), absent=True)

PROOFS = {
    "aten::native_batch_norm": Proof(batch_norm, batch_calls()),
    "aten::_native_batch_norm_legit": Proof(
        batch_norm, batch_calls().filter(lambda c: c.given["running_mean"] is not None)
    ),
    "aten::_native_batch_norm_legit_functional": Proof(
        batch_norm, batch_calls().filter(lambda c: c.given["running_mean"] is not None)
    ),
    "aten::cudnn_batch_norm": Proof(named_otherwise, FUSED),
    "aten::miopen_batch_norm": Proof(named_otherwise, FUSED),
    "aten::_native_batch_norm_legit_no_training": Proof(inferred, batch_calls(training=False)),
    "aten::_batch_norm_no_update": Proof(inferred, batch_calls(training=False)),
    "aten::_batch_norm_with_update": Proof(trained, batch_calls(training=True, run=False)),
    "aten::_batch_norm_with_update_functional": Proof(trained, batch_calls(training=True, run=False)),
    "aten::batch_norm_stats": Proof(stats, some(eps=EPS)),
    "aten::batch_norm_update_stats": Proof(update_stats, some("running_mean", "running_var", momentum=0.1)),
    "aten::batch_norm_elemt": Proof(elemt, some(*RUNNING, eps=EPS)),
    "aten::batch_norm_gather_stats": Proof(gather_stats, gathered(False)),
    "aten::batch_norm_gather_stats_with_counts": Proof(gather_stats, gathered(True)),
    "aten::native_layer_norm": Proof(layer_norm, layers()),
    "aten::native_group_norm": Proof(group_norm, groups()),
    "aten::_fused_rms_norm": Proof(rms_norm, layers(bias=False)),
    "aten::rms_norm": Proof(rms_norm, layers(bias=False)),
    "aten::renorm": Proof(renorm, RENORMS),
    "aten::embedding_renorm": Proof(embedding_renorm, ROWS),
    "aten::_weight_norm_interface": Proof(weight_norm, WEIGHTS),
}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "normalization") == set()
