"""References of the gradients of activations, from the closed form: every branch is computed, then one is chosen."""

from __future__ import annotations

import math

import numpy as np
from formulas.elementwise import elementwise, over, proof_of, sample, shapes
from formulas.references_activation import (
    ROOT_2,
    ROOT_2_PI,
    approximations,
    halved,
    halves,
    log1p,
    ones,
    scaled,
    sigmoid,
)
from hypothesis import strategies as st
from oracle import Scalar, erf, exp, tanh

GRADIENT = {"grad_output": "signed", "self": "signed"}
SAVED = {"grad_output": "signed", "output": "unit"}
PDF = 1 / math.sqrt(2 * math.pi)


def gelu_gradient(g, x, approximate):
    if approximate == "none":
        return g * (0.5 * (1 + erf(x * (1 / ROOT_2))) + x * (PDF * exp(-0.5 * x * x)))
    square = x * x
    t = tanh(ROOT_2_PI * (x + 0.044715 * x * square))
    inner = ROOT_2_PI * (1 + 3 * 0.044715 * square)
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)


def elu_gradient(g, x, alpha, scale, input_scale, is_result):
    above = scaled(scale, g)
    if is_result:
        below = scaled(input_scale, g * (x + alpha * scale))
    else:
        below = scaled(alpha * scale * input_scale, g * exp(scaled(input_scale, x)))
    return above if x > 0 else below


def softplus_gradient(g, x, beta, threshold):
    t = scaled(beta, x)
    z = exp(t)
    curved = g * z / (z + 1)
    return g if t > threshold else curved


def log_sigmoid_gradient(g, x, z):
    most, sign = (1.0 if x < 0 else 0.0), (1.0 if x < 0 else -1.0)
    return g * (most - sign * (z / (1 + z)))


def log_sigmoid_gradient_unsaved(g, x):
    return log_sigmoid_gradient(g, x, exp(-abs(x)))


def rrelu_gradient(g, x, noise, training):
    return noise * g if training else leaky_relu_gradient(g, x, 0.2)


def leaky_relu_gradient(g, x, negative_slope):
    below = negative_slope * g
    return g if x > 0 else below


def hardswish_gradient(g, x):
    middle = g * (x / 3 + 0.5)
    below, inside = x < -3, x < 3
    return Scalar(0.0) if below else middle if inside else g


def inside(x, low, high):
    above, below = x > low, x < high
    return above and below


def silu_gradient(g, x):
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


def mish_gradient(g, x):
    t = tanh(log1p(exp(x)))
    return g * (t + x * sigmoid(x) * (1 - t * t))


def prelu_gradient(g, x, weight):
    left, right = weight * g, x * g
    return (g if x > 0 else left), (Scalar(0.0) if x > 0 else right)


def logit_gradient(g, x, eps):
    slope = g / (x * (1 - x))
    if eps is None:
        return slope
    above, below = x >= eps, x <= 1 - eps
    return slope if above and below else Scalar(0.0)


def glu_gradient(grad_output, self, dim):
    def one(g, a, b):
        s = sigmoid(b)
        d = s * g
        return d, (1 - s) * d * a

    parts = over(one, grad_output, *halves(self, dim))
    return np.concatenate(parts, axis=dim) if isinstance(parts, tuple) else np.empty(self.shape, dtype=object)


def glu_jvp(glu, x, dx, dim):
    def one(y, b, da, db):
        s = sigmoid(b)
        return da * s + y * (db - s * db)

    return over(one, glu, halves(x, dim)[1], *halves(dx, dim))


def glu_gradient_jvp(grad_glu, x, dgrad_glu, dx, dim):
    def one(g, a, b, dg, da, db):
        s = sigmoid(b)
        t = s * (1 - s)
        u = t * db * g
        return s * dg + u, da * t * g + a * (t * dg + (1 - 2 * s) * u)

    parts = over(one, grad_glu, *halves(x, dim), dgrad_glu, *halves(dx, dim))
    return np.concatenate(parts, axis=dim) if isinstance(parts, tuple) else np.empty(x.shape, dtype=object)


@st.composite
def unsaved(draw):
    size = draw(shapes)
    return {"grad_output": sample("signed", size, 1), "self": sample("signed", size, 2), "buffer": sample("unit", (7,))}


def hardsigmoid_gradient(g, x):
    sloped = g / 6
    return sloped if inside(x, -3, 3) else Scalar(0.0)


def shrink_gradient(g, x, lambd):
    above, below = x >= -lambd, x <= lambd
    return Scalar(0.0) if above and below else g


PROOFS = [
    *elementwise("sigmoid_backward", lambda g, y: g * ((1 - y) * y), SAVED, same=True),
    *elementwise("tanh_backward", lambda g, y: g * (1 - y * y), SAVED, same=True),
    *elementwise("silu_backward", silu_gradient, GRADIENT, same=True),
    *elementwise("mish_backward", mish_gradient, GRADIENT, same=True),
    *elementwise(
        "threshold_backward",
        lambda g, x, threshold: g if x > threshold else Scalar(0.0),
        GRADIENT,
        options={"threshold": 0.5},
        same=True,
    ),
    *elementwise(
        "leaky_relu_backward",
        leaky_relu_gradient,
        GRADIENT,
        options={"negative_slope": 0.1, "self_is_result": False},
        same=True,
    ),
    *elementwise(
        "hardtanh_backward",
        lambda g, x, min_val, max_val: g if inside(x, min_val, max_val) else Scalar(0.0),
        GRADIENT,
        options={"min_val": -1.0, "max_val": 0.5},
        same=True,
    ),
    *elementwise("hardswish_backward", hardswish_gradient, GRADIENT, same=True),
    *elementwise("gelu_backward", gelu_gradient, GRADIENT, options={"approximate": approximations}, same=True),
    *elementwise(
        "elu_backward",
        elu_gradient,
        {"grad_output": "signed", "self_or_result": "signed"},
        options={"alpha": ones, "scale": ones, "input_scale": ones, "is_result": st.booleans()},
        same=True,
    ),
    *elementwise("softplus_backward", softplus_gradient, GRADIENT, options={"beta": ones, "threshold": 2.0}, same=True),
    *elementwise("log_sigmoid_backward", log_sigmoid_gradient, {**GRADIENT, "buffer": "unit"}, same=True),
    *elementwise(
        "rrelu_with_noise_backward",
        rrelu_gradient,
        {**GRADIENT, "noise": "unit"},
        options={"lower": 0.1, "upper": 0.3, "training": st.booleans(), "self_is_result": False},
        same=True,
    ),
    *elementwise("_prelu_kernel_backward", prelu_gradient, {**GRADIENT, "weight": "unit"}, results=2, same=True),
    *elementwise(
        "logit_backward",
        logit_gradient,
        {"grad_output": "signed", "self": "unit"},
        options={"eps": st.sampled_from([None, 0.2])},
        same=True,
    ),
    proof_of("aten::glu_backward", glu_gradient, halved(like_halves=("grad_output",), like_self=("self",))),
    proof_of("aten::glu_jvp", glu_jvp, halved(like_halves=("glu",), like_self=("x", "dx"))),
    proof_of(
        "aten::glu_backward_jvp",
        glu_gradient_jvp,
        halved(like_halves=("grad_glu", "dgrad_glu"), like_self=("grad_x", "x", "dx")),
        values=False,
    ),
    *elementwise("hardsigmoid_backward", hardsigmoid_gradient, GRADIENT, same=True),
    *elementwise("softshrink_backward", shrink_gradient, GRADIENT, options={"lambd": 0.5}, same=True),
    *elementwise(
        "hardshrink_backward",
        shrink_gradient,
        {"grad_out": "signed", "self": "signed"},
        options={"lambd": 0.5},
        same=True,
    ),
    proof_of(
        "aten::log_sigmoid_backward",
        lambda grad_output, self: over(log_sigmoid_gradient_unsaved, grad_output, self),
        unsaved(),
        values=False,
    ),
]
