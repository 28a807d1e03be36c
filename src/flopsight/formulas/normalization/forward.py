"""Normalization, forward.

N batch · C channels · G groups · n elements · L elements normalized together · M = n / L sets of them

The statistics of M sets: mean = sum(x) / L, d = x - mean, var = sum(d * d) / L, rstd = 1 / sqrt(var + eps).
"""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec
from flopsight.formulas.parts import reduced
from flopsight.formulas.reduction.whole import rows, vector_norm
from flopsight.formulas.registry import Case, formula


def statistics(n: int, sets: int) -> Cost:
    """mean, d, var and rstd: 2(n - M) + n + M additions, n squares, 2M divisions, M reciprocal square roots."""
    return Cost(add=2 * reduced(n, sets) + n + sets, multiply=n, divide=2 * sets, special=sets)


def rows_before(tensor: TensorSpec, last: int) -> int:
    """How many sets the `last` dimensions form: the product of the sizes before them."""
    return TensorSpec(tensor.shape[: tensor.ndim - last]).numel


def _channels(tensor: TensorSpec) -> int:
    return tensor.shape[1]


def _running(channels: int, kept: TensorSpec | None) -> Cost:
    """running = (1 - momentum) * running + momentum * new, for mean and variance, which is times L / (L - 1) first."""
    return Cost(multiply=5 * channels, add=2 * channels) if kept is not None else ZERO


def _training(x: TensorSpec, weight: TensorSpec | None, bias: TensorSpec | None, running: TensorSpec | None) -> Cost:
    """Statistics of each channel; y = d * (rstd * weight) + bias."""
    n, C = x.numel, _channels(x)
    scale = Cost(multiply=C) if weight is not None else ZERO
    shift = Cost(add=n) if bias is not None else ZERO
    return statistics(n, C) + scale + Cost(multiply=n) + shift + _running(C, running)


def _folded(x: TensorSpec, weight: TensorSpec | None) -> Cost:
    """a = rstd * weight, b = bias - mean * a (without a bias: a negation), y = x * a + b."""
    n, C = x.numel, _channels(x)
    return Cost(multiply=n + (C if weight is None else 2 * C), add=n + C)


def _inference(x: TensorSpec, weight: TensorSpec | None) -> Cost:
    C = _channels(x)
    return Cost(add=C, special=C) + _folded(x, weight)


_BATCH = {"input": (2, 3, 4), "weight": (3,), "bias": (3,), "running_mean": (3,)}
_INFERENCE = Cost(add=3 + 24 + 3, special=3, multiply=24 + 2 * 3)
_TRAINING = Cost(add=2 * (24 - 3) + 24 + 3 + 24 + 2 * 3, multiply=24 + 3 + 24 + 5 * 3, divide=2 * 3, special=3)


@formula(
    "aten::native_batch_norm", "aten::_native_batch_norm_legit", "aten::_native_batch_norm_legit_functional",
    "aten::cudnn_batch_norm", "aten::miopen_batch_norm",
    case=Case({**_BATCH, "training": True}, (2, 3, 4), _TRAINING),
)  # fmt: skip
def batch_norm(
    input: TensorSpec,
    training: bool,
    weight: TensorSpec | None,
    bias: TensorSpec | None,
    running_mean: TensorSpec | None = None,
) -> Cost:
    """y = (x - mean) / sqrt(var + eps) * weight + bias: in training by the batch's statistics, else by running ones.

    Training, M = C sets: the statistics, then y = d * (rstd * weight) + bias: C + n multiplications, n additions;
    running = (1 - momentum) * running + momentum * new for mean and variance, the variance times L / (L - 1).
    Inference folds: a = weight / sqrt(var + eps), b = bias - mean * a, y = x * a + b: n multiplications and additions,
    and for each channel 2 additions, 2 multiplications, 1 reciprocal square root.
    """
    return _training(input, weight, bias, running_mean) if training else _inference(input, weight)


@formula(
    "aten::_native_batch_norm_legit_no_training",
    "aten::_batch_norm_no_update",
    case=Case(_BATCH, (2, 3, 4), _INFERENCE),
)
def batch_norm_inference(input: TensorSpec, weight: TensorSpec | None) -> Cost:
    """a = weight / sqrt(var + eps), b = bias - mean * a, y = x * a + b: n multiplications, n additions, 5C more."""
    return _inference(input, weight)


@formula(
    "aten::_batch_norm_with_update", "aten::_batch_norm_with_update_functional", case=Case(_BATCH, (2, 3, 4), _TRAINING)
)
def batch_norm_training(
    input: TensorSpec, weight: TensorSpec | None, bias: TensorSpec | None, running_mean: TensorSpec | None
) -> Cost:
    """y = (x - mean) / sqrt(var + eps) * weight + bias by the batch's statistics, which running ones then follow."""
    return _training(input, weight, bias, running_mean)


@formula("aten::batch_norm_stats", case=Case({"input": (2, 3, 4)}, ((3,), (3,)), statistics(24, 3)))
def batch_norm_stats(input: TensorSpec) -> Cost:
    """The mean of each channel and 1 / sqrt(var + eps)."""
    return statistics(input.numel, _channels(input))


@formula(
    "aten::batch_norm_update_stats",
    case=Case(
        {"input": (2, 3, 4), "running_mean": (3,)},
        ((3,), (3,)),
        Cost(add=2 * 21 + 24 + 2 * 3, multiply=24 + 5 * 3, divide=2 * 3),
    ),
)
def batch_norm_update_stats(input: TensorSpec, running_mean: TensorSpec | None) -> Cost:
    """The mean and variance of each channel, which the running ones then follow."""
    n, C = input.numel, _channels(input)
    return Cost(add=2 * reduced(n, C) + n, multiply=n, divide=2 * C) + _running(C, running_mean)


@formula(
    "aten::batch_norm_elemt",
    case=Case({"input": (2, 3, 4), "weight": (3,)}, (2, 3, 4), Cost(add=24 + 3, multiply=24 + 2 * 3)),
)
def batch_norm_elemt(input: TensorSpec, weight: TensorSpec | None) -> Cost:
    """a = rstd * weight, b = bias - mean * a, y = x * a + b: n multiplications, n additions, 3C more."""
    return _folded(input, weight)


_GATHERED = {"mean": (5, 3), "running_mean": None}


@formula(
    "aten::batch_norm_gather_stats",
    case=Case(
        _GATHERED,
        ((3,), (3,)),
        Cost(add=2 * 15 + 2 * (15 - 3) + 15 + 3, multiply=2 * 15, divide=15 + 2 * 3, special=3),
    ),
)
def batch_norm_gather_stats(mean: TensorSpec, running_mean: TensorSpec | None) -> Cost:
    """Statistics of P equal parts joined: mean = sum(mean_p) / P, var = sum(var_p + (mean_p - mean)^2) / P.

    var_p = 1 / (rstd_p * rstd_p) - eps; then rstd = 1 / sqrt(var + eps), and running statistics follow.
    """
    parts, C = mean.shape
    n = parts * C
    joins = reduced(n, C)
    joined = Cost(add=3 * n + 2 * joins + C, multiply=2 * n, divide=n + 2 * C, special=C)
    return joined + _running(C, running_mean)


@formula(
    "aten::batch_norm_gather_stats_with_counts",
    case=Case(
        _GATHERED,
        ((3,), (3,)),
        Cost(add=4 + 3 * 15 + 2 * (15 - 3) + 3, multiply=4 * 15, divide=15 + 2 * 3, special=3),
    ),
)
def batch_norm_gather_stats_with_counts(mean: TensorSpec, running_mean: TensorSpec | None) -> Cost:
    """Statistics of P parts of unlike size joined: as for equal ones, each part times its count, by their total."""
    parts, C = mean.shape
    n = parts * C
    weighted = Cost(multiply=2 * n, add=reduced(parts, 1))
    return batch_norm_gather_stats(mean, running_mean) + weighted


_LAYER = {"input": (2, 3, 4), "normalized_shape": [4], "weight": (4,), "bias": (4,)}


@formula("aten::native_layer_norm", case=Case(_LAYER, ((2, 3, 4),), statistics(24, 6) + Cost(multiply=2 * 24, add=24)))
def layer_norm(
    input: TensorSpec, normalized_shape: list[int], weight: TensorSpec | None, bias: TensorSpec | None
) -> Cost:
    """y = (x - mean) / sqrt(var + eps) * weight + bias over the last dimensions: statistics, d * rstd * weight + bias.

    The affine part is n multiplications and n additions, where there is a weight and a bias.
    """
    n = input.numel
    sets = rows_before(input, len(normalized_shape))
    affine = Cost(multiply=n if weight is not None else 0, add=n if bias is not None else 0)
    return statistics(n, sets) + Cost(multiply=n) + affine


@formula(
    "aten::native_group_norm",
    case=Case(
        {"input": (2, 6, 4), "weight": (6,), "bias": (6,), "N": 2, "C": 6, "group": 3},
        ((2, 6, 4),),
        statistics(48, 6) + Cost(multiply=12 + 48, add=48),
    ),
)
def group_norm(
    input: TensorSpec, N: int, C: int, group: int, weight: TensorSpec | None, bias: TensorSpec | None
) -> Cost:
    """y = (x - mean) / sqrt(var + eps) * weight + bias over the channels of a group: M = N*G sets.

    y = d * (rstd * weight) + bias: N*C + n multiplications, n additions.
    """
    n = input.numel
    scale = Cost(multiply=N * C) if weight is not None else ZERO
    return statistics(n, N * group) + scale + Cost(multiply=n, add=n if bias is not None else 0)


@formula(
    "aten::_fused_rms_norm", "aten::rms_norm",
    case=Case(
        {"input": (2, 3, 4), "normalized_shape": [4], "weight": (4,)},
        ((2, 3, 4), (2, 3, 1)),
        Cost(multiply=3 * 24, add=6 * 3 + 6, divide=6, special=6),
    ),
)  # fmt: skip
def rms_norm(input: TensorSpec, normalized_shape: list[int], weight: TensorSpec | None = None) -> Cost:
    """y = x / sqrt(sum(x * x) / L + eps) * weight: n squares, n additions, M divisions, M roots, 2n products."""
    n, sets = input.numel, rows_before(input, len(normalized_shape))
    own = Cost(multiply=2 * n, add=reduced(n, sets) + sets, divide=sets, special=sets)
    return own + Cost(multiply=n) if weight is not None else own


@formula(
    "aten::renorm",
    case=Case({"self": (3, 4), "p": 2, "dim": 0}, (3, 4), Cost(multiply=24, add=9 + 3, special=3, compare=3, divide=3)),
)
def renorm(self: TensorSpec, p: float, dim: int) -> Cost:
    """y = x * (1 if norm(x) <= limit else limit / (norm(x) + 1e-7)) for each slice along a dimension.

    The p-norm of every slice; each 1 comparison, 1 addition, 1 division; n products.
    """
    slices = self.shape[dim]
    return vector_norm(self, p, slices) + _limited(self.numel, slices)


def _limited(n: int, slices: int) -> Cost:
    return Cost(compare=slices, add=slices, divide=slices, multiply=n)


@formula(
    "aten::embedding_renorm",
    case=Case(
        {"self": (9, 4), "indices": (3,), "norm_type": 2},
        (9, 4),
        Cost(multiply=24, add=9 + 3, special=3, compare=3, divide=3),
    ),
)
def embedding_renorm(self: TensorSpec, indices: TensorSpec, norm_type: float) -> Cost:
    """y = x * (1 if norm(x) <= limit else limit / (norm(x) + 1e-7)) for each row looked up.

    Rows are taken to be all different.
    """
    looked_up = TensorSpec((indices.numel, rows(self, 0)), self.dtype)
    return vector_norm(looked_up, norm_type, indices.numel) + _limited(looked_up.numel, indices.numel)


@formula(
    "aten::_weight_norm_interface",
    case=Case({"v": (3, 4), "dim": 0}, ((3, 4), (3, 1)), Cost(multiply=2 * 12, add=9, special=3, divide=3)),
)
def weight_norm(v: TensorSpec, dim: int = 0) -> Cost:
    """w = v * (g / norm(v)) for each slice: n squares and their sum, a root and a division each, n products."""
    slices = v.shape[dim]
    return vector_norm(v, 2, slices) + Cost(divide=slices, multiply=v.numel)
