"""Gradients of activations.   g grad_output · x self · y the saved result · low, high, slope plain numbers

Each is g times the derivative in closed form, from what the forward operator saved. Every branch of a piecewise
derivative counts.
"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.equation import each, elementwise, times
from flopsight.formulas.registry import Case, formula

FAMILY = "activation"

elementwise(
    FAMILY,
    {
        "g * conj((1 - y) * y)": "sigmoid_backward",
        "g * conj(1 - y * y)": "tanh_backward",
    },
    y="output",
)
elementwise(
    FAMILY,
    {
        "g if x > limit else 0": "threshold_backward",
        "s = sigmoid(x); g * (s * (1 + x * (1 - s)))": "silu_backward",
        "t = tanh(log1p(exp(x))); g * (t + x * sigmoid(x) * (1 - t * t))": "mish_backward",
        "g if x > 0 else slope * g": "leaky_relu_backward",
        "g if low < x < high else 0": "hardtanh_backward",
        "g / 6 if -3 < x < 3 else 0": "hardsigmoid_backward",
        "0 if x < -3 else (g * (x / 3 + 0.5) if x < 3 else g)": "hardswish_backward",
        "0 if low <= x <= high else g": "hardshrink_backward softshrink_backward",
    },
)

_TANH_GELU = (
    "q = x * x; t = tanh(c * (x + k * x * q)); d = 0.5 * x * (1 - t * t) * c * (1 + k_3 * q); g * (0.5 * (1 + t) + d)"
)


@formula(
    "aten::gelu_backward",
    case=Case({"grad_output": (3, 4), "self": (3, 4)}, (3, 4), Cost(multiply=7 * 12, add=2 * 12, special=2 * 12)),
)
def gelu_backward(grad_output: TensorSpec, self: TensorSpec, approximate: str = "none") -> Cost:
    """g * (0.5 * (1 + erf(c * x)) + x * k * exp(-0.5 * x * x)), or with `tanh` likewise by the product rule"""
    exact = "g * (0.5 * (1 + erf(c * x)) + x * (k * exp(-0.5 * x * x)))"
    return each(exact if approximate == "none" else _TANH_GELU, self, x=self, g=grad_output)


@formula(
    "aten::elu_backward",
    case=Case(
        {"grad_output": (3, 4), "alpha": 2, "scale": 1, "input_scale": 1, "is_result": False, "self_or_result": (3, 4)},
        (3, 4),
        Cost(compare=12, special=12, multiply=2 * 12),
    ),
)
def elu_backward(grad_output: TensorSpec, alpha: float, scale: float, input_scale: float, is_result: bool) -> Cost:
    """scale * g if x > 0 else alpha * scale * input_scale * g * exp(input_scale * x)

    From the result y, of the same sign as x, the second branch is input_scale * g * (y + alpha * scale). Products of
    plain numbers are one, and factors of 1 need no multiplication.
    """
    if is_result:
        negative = times(input_scale, "g * (x + c)")
    else:
        negative = times(alpha * scale * input_scale, f"g * exp({times(input_scale, 'x')})")
    return each(f"{times(scale, 'g')} if x > 0 else {negative}", grad_output)


@formula(
    "aten::softplus_backward",
    case=Case(
        {"grad_output": (3, 4), "self": (3, 4), "beta": 1},
        (3, 4),
        Cost(compare=12, special=12, multiply=12, divide=12, add=12),
    ),
)
def softplus_backward(self: TensorSpec, beta: float) -> Cost:
    """t = beta * x; z = exp(t); g if t > threshold else g * z / (z + 1), where a beta of 1 is left out"""
    return each(f"t = {times(beta, 'x')}; z = exp(t); g if t > threshold else g * z / (z + 1)", self)


@formula(
    "aten::log_sigmoid_backward",
    case=Case(
        {"grad_output": (3, 4), "self": (3, 4), "buffer": (3, 4)},
        (3, 4),
        Cost(compare=2 * 12, add=2 * 12, multiply=2 * 12, divide=12),
    ),
)
def log_sigmoid_backward(self: TensorSpec, buffer: TensorSpec) -> Cost:
    """z = exp(-abs(x)), where the forward operator has not saved it; g * (m - s * (z / (1 + z)))

    m and s are 1 and 1 if x < 0, else 0 and -1.
    """
    saved = "" if buffer.shape == self.shape else "z = exp(-abs(x)); "
    return each(f"{saved}g * ((1 if x < 0 else 0) - (1 if x < 0 else -1) * (z / (1 + z)))", self)


@formula(
    "aten::rrelu_with_noise_backward",
    case=Case({"self": (3, 4), "training": True, "lower": 0.1, "upper": 0.3}, (3, 4), Cost(multiply=12)),
)
def rrelu_backward(self: TensorSpec, training: bool, lower: float, upper: float) -> Cost:
    """noise * g in training, else g if x > 0 else slope * g"""
    drawn = training and upper - lower > 1e-6
    return each("noise * g" if drawn else "g if x > 0 else slope * g", self)


@formula(
    "aten::_prelu_kernel_backward",
    case=Case({"self": (3, 4)}, ((3, 4), (3, 4)), Cost(compare=2 * 12, multiply=2 * 12)),
)
def prelu_backward(self: TensorSpec) -> Cost:
    """(g if x > 0 else w * g, 0 if x > 0 else x * g): the gradients of x and, before its sum, of w"""
    return each("(g if x > 0 else w * g, 0 if x > 0 else x * g)", self)


@formula(
    "aten::glu_backward",
    case=Case({"grad_output": (3, 4)}, (3, 8), Cost(add=3 * 12, special=12, divide=12, multiply=3 * 12)),
)
def glu_backward(grad_output: TensorSpec) -> Cost:
    """s = sigmoid(b); d = s * g; (d, (1 - s) * d * a): the gradients of both halves of x"""
    return each("s = sigmoid(b); d = s * g; (d, (1 - s) * d * a)", grad_output)


@formula(
    "aten::glu_jvp",
    case=Case({"glu": (3, 4)}, (3, 4), Cost(add=4 * 12, special=12, divide=12, multiply=3 * 12)),
)
def glu_jvp(glu: TensorSpec) -> Cost:
    """s = sigmoid(b); da * s + y * (db - s * db): how the result moves with both halves of x"""
    return each("s = sigmoid(b); da * s + y * (db - s * db)", glu)


@formula(
    "aten::glu_backward_jvp",
    case=Case({"grad_glu": (3, 4)}, (3, 8), Cost(add=(2 + 1 + 4) * 12, special=12, divide=12, multiply=10 * 12)),
)
def glu_backward_jvp(grad_glu: TensorSpec) -> Cost:
    """s = sigmoid(b); t = s * (1 - s); how (s * g, a * t * g) moves with g, a and b

    d(s * g) = s * dg + t * db * g and d(a * t * g) = da * t * g + a * (t * dg + t * (1 - 2s) * db * g).
    """
    moved = "u = t * db * g; (s * dg + u, da * t * g + a * (t * dg + (1 - 2 * s) * u))"
    return each(f"s = sigmoid(b); t = s * (1 - s); {moved}", grad_glu)


@formula(
    "aten::logit_backward",
    case=Case({"grad_output": (3, 4), "self": (3, 4)}, (3, 4), Cost(add=12, multiply=12, divide=12)),
)
def logit_backward(self: TensorSpec, eps: float | None = None) -> Cost:
    """g / (x * (1 - x)); with `eps`, 0 outside of eps .. 1 - eps"""
    inner = "g / (x * (1 - x))"
    return each(inner if eps is None else f"{inner} if low <= x <= high else 0", self)
