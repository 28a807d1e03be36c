"""Activations.   x self · w a learned slope · low, high, limit, slope plain numbers

Where a plain factor is 1 (alpha, beta, scale), its multiplication is left out. Every branch of a piecewise function
counts, as kernels without branches compute it.
"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.equation import each, elementwise, times
from flopsight.formulas.registry import Case, formula

FAMILY = "activation"

elementwise(
    FAMILY,
    {
        "max(x, 0)": "relu",
        "1 / (1 + exp(-x))": "sigmoid _foreach_sigmoid",
        "tanh(x)": "tanh _foreach_tanh prims::tanh",
        "x * sigmoid(x)": "silu",
        "x * tanh(log1p(exp(x)))": "mish",
        "x if x > 0 else slope * x": "leaky_relu rrelu_with_noise",
        "x if x > 0 else w * x": "prelu _prelu_kernel",
        "x if x > limit else value": "threshold",
        "min(max(x, low), high)": "hardtanh",
        "min(max(x + 3, 0), 6) / 6": "hardsigmoid",
        "x * min(max(x + 3, 0), 6) / 6": "hardswish",
        "0 if low <= x <= high else x": "hardshrink",
        "x - high if x > high else (x - low if x < low else 0)": "softshrink",
    },
)


@formula(
    "aten::rrelu_with_noise_functional",
    case=Case({"self": (3, 4)}, ((3, 4), (3, 4)), Cost(compare=12, multiply=12)),
)
def rrelu(self: TensorSpec) -> Cost:
    """x if x > 0 else slope * x, with a slope that is drawn for each element"""
    return each("x if x > 0 else slope * x", self, x=self)


@formula(
    "aten::gelu", case=Case({"self": (3, 4), "approximate": "none"}, (3, 4), Cost(multiply=3 * 12, add=12, special=12))
)
def gelu(self: TensorSpec, approximate: str = "none") -> Cost:
    """0.5 * x * (1 + erf(c * x)), or with `tanh` 0.5 * x * (1 + tanh(c * (x + k * x * x * x)))"""
    inner = "erf(c * x)" if approximate == "none" else "tanh(c * (x + k * x * x * x))"
    return each(f"0.5 * x * (1 + {inner})", self, x=self)


@formula("aten::elu", case=Case({"self": (3, 4), "alpha": 2}, (3, 4), Cost(compare=12, special=12, multiply=12)))
def elu(self: TensorSpec, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Cost:
    """scale * x if x > 0 else alpha * scale * expm1(input_scale * x), where factors of 1 need no multiplication"""
    negative = times(alpha * scale, f"expm1({times(input_scale, 'x')})")
    return each(f"{times(scale, 'x')} if x > 0 else {negative}", self, x=self)


@formula("aten::celu", case=Case({"self": (3, 4), "alpha": 2}, (3, 4), Cost(compare=12, special=12, multiply=2 * 12)))
def celu(self: TensorSpec, alpha: float = 1) -> Cost:
    """x if x > 0 else alpha * expm1(x / alpha), where an alpha of 1 needs no multiplication by it or its inverse"""
    return elu(self, alpha, 1, 1 if alpha == 1 else 1 / alpha)


@formula(
    "aten::softplus",
    case=Case({"self": (3, 4), "beta": 2}, (3, 4), Cost(compare=12, special=2 * 12, multiply=12, divide=12)),
)
def softplus(self: TensorSpec, beta: float = 1) -> Cost:
    """t = beta * x; x if t > threshold else log1p(exp(t)) / beta, where a beta of 1 is left out"""
    quotient = "" if beta == 1 else " / beta"
    return each(f"t = {times(beta, 'x')}; x if t > threshold else log1p(exp(t)){quotient}", self, x=self)


@formula("aten::glu", case=Case({"self": (3, 8)}, (3, 4), Cost(add=2 * 12, special=12, divide=12, multiply=12)))
def glu(out: TensorSpec) -> Cost:
    """a * sigmoid(b), a and b being the halves of x"""
    return each("a * sigmoid(b)", out)


@formula(
    "aten::log_sigmoid_forward",
    case=Case({"self": (3, 4)}, ((3, 4), (3, 4)), Cost(compare=2 * 12, add=2 * 12, special=2 * 12)),
)
def log_sigmoid(self: TensorSpec) -> Cost:
    """min(x, 0) - log1p(exp(-abs(x)))"""
    return each("min(x, 0) - log1p(exp(-abs(x)))", self, x=self)


@formula("aten::logit", case=Case({"self": (3, 4)}, (3, 4), Cost(add=12, divide=12, special=12)))
def logit(self: TensorSpec, eps: float | None = None) -> Cost:
    """log(x / (1 - x)); with `eps`, of min(max(x, eps), 1 - eps)"""
    inner = "x" if eps is None else "min(max(x, low), high)"
    return each(f"z = {inner}; log(z / (1 - z))", self, x=self)
