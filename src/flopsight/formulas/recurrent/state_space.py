"""State space models of other packages, by the names they register: mamba_ssm, causal_conv1d.

B batch · D channels · L steps · N states of a channel · W taps of the convolution

mamba_ssm itself calls its kernel without registering an operator; its rule is given to the autograd function by
`flopsight.formula(SelectiveScanFn)(selective_scan)`.
"""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec, contraction
from flopsight.formulas.parts import SIGMOID, SILU, reduced
from flopsight.formulas.registry import Case, formula

SOFTPLUS = Cost(add=1, special=2)
"""log(1 + exp(x))"""
SILU_SLOPE = SIGMOID + Cost(add=2, multiply=3)
"""dy * s * (1 + x * (1 - s)), with s = sigmoid(x)"""


@formula(
    "mamba_ssm::selective_scan_fwd",
    case=Case(
        {"u": (2, 3, 5), "A": (3, 4), "D_": (3,), "z_": (2, 3, 5), "delta_bias_": (3,), "delta_softplus": True},
        ((2, 3, 5), (2, 3, 5, 8)),
        Cost(
            macs=30 * 4,
            results=30,
            multiply=30 * (1 + 3 * 4 + 1 + 1 + 1),
            add=30 * (4 + 1 + 1 + 1 + 2),
            special=30 * (4 + 2 + 1),
            divide=30,
        ),
    ),
)
def selective_scan(
    u: TensorSpec,
    A: TensorSpec,
    delta_softplus: bool,
    D_: TensorSpec | None = None,
    z_: TensorSpec | None = None,
    delta_bias_: TensorSpec | None = None,
    D: TensorSpec | None = None,
    z: TensorSpec | None = None,
    delta_bias: TensorSpec | None = None,
) -> Cost:
    """h = exp(delta * A) * h + (delta * u) * B for N states; y = sum(h * C), + D * u, * silu(z).

    Each step of a channel: 1 product delta * u; for each state 3 products, 1 exponential, 1 addition; y is a dot
    product of length N. Then delta + bias, softplus(delta), D * u (1 product, 1 addition), y * silu(z) where asked for.
    """
    steps, N = u.numel, A.shape[-1]
    each = Cost(multiply=1 + 3 * N, add=N, special=N)
    each += Cost(add=1) if delta_bias_ is not None or delta_bias is not None else ZERO
    each += SOFTPLUS if delta_softplus else ZERO
    each += Cost(multiply=1, add=1) if D_ is not None or D is not None else ZERO
    each += SILU + Cost(multiply=1) if z_ is not None or z is not None else ZERO
    return contraction(outputs=steps, length=N) + steps * each


_CONV = {"x": (2, 3, 5), "weight": (3, 4), "bias": (3,), "silu_activation": True}


@formula(
    "DaoAILab::_causal_conv1d_fwd_cpp", "DaoAILab::_causal_conv1d_update_cpp",
    family="convolution",
    case=Case(_CONV, None, Cost(macs=120, results=30, biases=30) + 30 * SILU),
)  # fmt: skip
def causal_conv1d(x: TensorSpec, weight: TensorSpec, bias: TensorSpec | None, silu_activation: bool) -> Cost:
    """y = sum over the W last steps of w * x, + bias, silu: B*D*L dot products of length W."""
    own = contraction(outputs=x.numel, length=weight.shape[-1], bias=bias is not None)
    return own + (x.numel * SILU if silu_activation else ZERO)


@formula(
    "DaoAILab::_causal_conv1d_bwd_cpp",
    family="convolution",
    case=Case(
        _CONV,
        None,
        Cost(macs=3 * 120, results=30 + 30 + 12, biases=30, add=30 - 3) + 30 * SILU_SLOPE,
    ),
)
def causal_conv1d_backward(x: TensorSpec, weight: TensorSpec, bias: TensorSpec | None, silu_activation: bool) -> Cost:
    """dx: B*D*L dot products of length W; dw: D*W dot products of length B*L; dbias = sum(dy).

    With silu the convolution is computed again, and dy times silu's slope comes first.
    """
    n, W = x.numel, weight.shape[-1]
    channels = weight.shape[0]
    cost = contraction(outputs=n, length=W) + contraction(outputs=channels * W, length=n // channels)
    if silu_activation:
        cost += contraction(outputs=n, length=W, bias=bias is not None) + n * SILU_SLOPE
    return cost + Cost(add=reduced(n, channels)) if bias is not None else cost
