"""References of activations: every branch is computed, then one is chosen."""

from __future__ import annotations

import math

import numpy as np
from formulas.elementwise import elementwise, over, proof_of, sample, seeds
from hypothesis import strategies as st
from oracle import Scalar, erf, exp, log, maximum, minimum, special, tanh

ROOT_2, ROOT_2_PI = math.sqrt(2), math.sqrt(2 / math.pi)
ones = st.sampled_from([1, 1.5])
approximations = st.sampled_from(["none", "tanh"])


def log1p(x):
    return special(math.log1p, x)


def expm1(x):
    return special(math.expm1, x)


def sigmoid(x):
    return 1 / (1 + exp(-x))


def scaled(factor, x):
    return x if factor == 1 else factor * x


def leaky_relu(x, negative_slope):
    below = negative_slope * x
    return x if x > 0 else below


def prelu(x, weight):
    below = weight * x
    return x if x > 0 else below


def gelu(x, approximate):
    if approximate == "none":
        return 0.5 * x * (1 + erf(x * (1 / ROOT_2)))
    return 0.5 * x * (1 + tanh(ROOT_2_PI * (x + 0.044715 * x * x * x)))


def elu(x, alpha, scale, input_scale):
    above, below = scaled(scale, x), scaled(alpha * scale, expm1(scaled(input_scale, x)))
    return above if x > 0 else below


def celu(x, alpha):
    below = scaled(alpha, expm1(scaled(1 / alpha, x)))
    return x if x > 0 else below


def softplus(x, beta, threshold):
    t = scaled(beta, x)
    curved = log1p(exp(t))
    curved = curved if beta == 1 else curved / beta
    return x if t > threshold else curved


def softshrink(x, lambd):
    lower, upper = x - lambd, x - -lambd
    above, below = x > lambd, x < -lambd
    return lower if above else upper if below else Scalar(0.0)


def hardshrink(x, lambd):
    above, below = x >= -lambd, x <= lambd
    return Scalar(0.0) if above and below else x


def log_sigmoid(x):
    z = exp(-abs(x))
    return minimum(x, 0) - log1p(z), z


def logit(x, eps):
    if eps is not None:
        x = minimum(maximum(x, eps), 1 - eps)
    return log(x / (1 - x))


def halves(array, dim):
    return np.split(array, 2, axis=dim)


def glu(self, dim):
    return over(lambda a, b: a * sigmoid(b), *halves(self, dim))


@st.composite
def halved(draw, like_halves=(), like_self=(), **options):
    """A tensor `self` (or `x`) with an even dimension, and others of its shape or of that of its halves."""
    size = [*draw(st.lists(st.integers(0, 3), min_size=1, max_size=2))]
    dim = draw(st.integers(0, len(size) - 1))
    whole = tuple(2 * n if i == dim else n for i, n in enumerate(size))
    given = {name: sample("signed", tuple(size), draw(seeds)) for name in like_halves}
    return {**given, **{name: sample("signed", whole, draw(seeds)) for name in like_self}, "dim": dim}


PROOFS = [
    *elementwise("relu", lambda x: maximum(x, 0), "signed"),
    *elementwise("sigmoid _foreach_sigmoid", sigmoid, "signed"),
    *elementwise("tanh _foreach_tanh prims::tanh", tanh, "signed"),
    *elementwise("silu", lambda x: x * sigmoid(x), "signed"),
    *elementwise("mish", lambda x: x * tanh(log1p(exp(x))), "signed"),
    *elementwise("leaky_relu", leaky_relu, "signed", options={"negative_slope": 0.1}),
    *elementwise("_prelu_kernel", prelu, {"self": "signed", "weight": "unit"}, same=True),
    *elementwise("prelu", prelu, {"self": "signed", "weight": "unit"}, same=True, values=False),
    *elementwise(
        "rrelu_with_noise",
        lambda x, noise, negative_slope=0.2: leaky_relu(x, negative_slope),
        {"self": "signed", "noise": "unit"},
        options={"lower": 0.1, "upper": 0.3, "training": False},
        same=True,
    ),
    *elementwise(
        "rrelu_with_noise_functional",
        lambda x, noise: (prelu(x, noise), noise),
        {"self": "signed", "noise": "unit"},
        results=2,
        same=True,
        values=False,
    ),
    *elementwise(
        "threshold",
        lambda x, threshold, value: x if x > threshold else Scalar(value),
        "signed",
        options={"threshold": 0.5, "value": 2.0},
    ),
    *elementwise(
        "hardtanh",
        lambda x, min_val, max_val: minimum(maximum(x, min_val), max_val),
        "signed",
        options={"min_val": -1.0, "max_val": 0.5},
    ),
    *elementwise("hardsigmoid", lambda x: minimum(maximum(x + 3, 0), 6) / 6, "signed"),
    *elementwise("hardswish", lambda x: x * minimum(maximum(x + 3, 0), 6) / 6, "signed"),
    *elementwise("hardshrink", hardshrink, "signed", options={"lambd": 0.5}),
    *elementwise("softshrink", softshrink, "signed", options={"lambd": 0.5}),
    *elementwise("gelu", gelu, "signed", options={"approximate": approximations}),
    *elementwise("elu", elu, "signed", options={"alpha": ones, "scale": ones, "input_scale": ones}),
    *elementwise("celu", celu, "signed", options={"alpha": ones}),
    *elementwise("softplus", softplus, "signed", options={"beta": ones, "threshold": 2.0}),
    *elementwise("log_sigmoid_forward", log_sigmoid, "signed", results=2),
    *elementwise("logit", logit, "unit", options={"eps": st.sampled_from([None, 0.2])}),
    proof_of("aten::glu", glu, halved(like_self=("self",))),
]
