"""Reductions as PyTorch's primitives name them; letters as in `reduction`."""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.parts import reduced
from flopsight.formulas.reduction import whole as reduction
from flopsight.formulas.registry import Case, formula


@formula("prims::sum", case=Case({"inp": (3, 4)}, (3,), Cost(add=3 * (4 - 1))))
def total(inp: TensorSpec, out: TensorSpec) -> Cost:
    """x1 + x2 + ... + xL: n - m additions."""
    return reduction.total(inp, out)


@formula("prims::prod", case=Case({"inp": (3, 4)}, (3,), Cost(multiply=3 * (4 - 1))))
def prod(inp: TensorSpec, out: TensorSpec) -> Cost:
    """x1 * x2 * ... * xL: n - m multiplications."""
    return reduction.prod(inp, out)


@formula("prims::var", case=Case({"inp": (3, 4)}, (3,), Cost(add=2 * 3 * 3 + 12, multiply=12, divide=2 * 3)))
def var(inp: TensorSpec, out: TensorSpec) -> Cost:
    """m = sum(x) / L; v = sum((x - m)^2) / (L - correction)."""
    return reduction.var(inp, out)


@formula("prims::amax", "prims::amin", "prims::xor_sum", case=Case({"inp": (3, 4)}, (3,), Cost(compare=3 * (4 - 1))))
def extreme(inp: TensorSpec, out: TensorSpec) -> Cost:
    """Of two the larger, the smaller, their `xor`: n - m comparisons."""
    return Cost(compare=reduced(inp.numel, out.numel))
