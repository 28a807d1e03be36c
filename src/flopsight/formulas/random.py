"""Random numbers: drawing them is not arithmetic. What is done to other numbers with them is."""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec
from flopsight.formulas.equation import each, elementwise
from flopsight.formulas.registry import Case, formula, zero

FAMILY = "random"

_DRAWN = """
    _cudnn_init_dropout_state _fill_mem_eff_dropout_mask_ _philox_key_fold_in _philox_key_split _philox_normal
    _philox_uniform _sample_dirichlet _standard_gamma bernoulli binomial cauchy exponential geometric log_normal
    multinomial normal normal_functional poisson rand rand_like randint randint_like randn randn_like random
    randperm uniform
    """
zero("draws random numbers", *(f"aten::{name}" for name in _DRAWN.split()), family=FAMILY)
zero("draws random numbers", "prims::normal", "prims::uniform", family=FAMILY)
elementwise(
    FAMILY,
    {
        "x * mask * scale": "_masked_scale",
        "g * mask * scale": "native_dropout_backward",
        "gamma_grad(x, y)": "_standard_gamma_grad",
        "dirichlet_grad(x, y)": "_dirichlet_grad",
    },
)


@formula("aten::native_dropout", case=Case({"input": (3, 4), "train": True}, ((3, 4), (3, 4)), Cost(multiply=2 * 12)))
def native_dropout(input: TensorSpec, train: bool | None = None) -> Cost:
    """x * mask * scale, the mask being drawn; nothing where it is not training"""
    return ZERO if train is False else each("x * mask * scale", input, x=input)


@formula("aten::_fused_dropout", case=Case({"self": (3, 4)}, ((3, 4), (3, 4)), Cost(multiply=2 * 12)))
def fused_dropout(self: TensorSpec) -> Cost:
    """x * mask * scale, the mask being drawn"""
    return each("x * mask * scale", self, x=self)
