"""Every formula of the contraction families is proven, or there is a reason why not; and asks for names that exist."""

import importlib
import inspect

import pytest
import torch
import torch.ao.quantization.fx._decomposed  # registers quantized_decomposed
from contraction_proof import PROVEN
from formulas.without_oracle import ITERATIVE
from proof import TRACED
from versions import REFERENCE, VERSION, tried

from flopsight.formulas.registry import load_formulas

FILES = (
    "attention.backward", "attention.dense", "attention.packed", "attention.transformer", "contraction.linear",
    "contraction.products", "contraction.scaled", "convolution.backward", "convolution.forward",
    "convolution.transposed", "distance", "linalg.factorizations", "linalg.orthogonal", "quantized.convolution",
    "quantized.layers", "quantized.tensors", "recurrent.backward", "recurrent.cells", "recurrent.layers",
    "sparse.products", "spectral",
)  # fmt: skip
TESTS = (
    "attention", "attention_backward", "contraction", "contraction_scaled", "convolution", "distance", "linalg",
    "linalg_orthogonal", "quantized", "recurrent", "recurrent_backward", "sparse", "spectral", "transformer",
)  # fmt: skip


def ours():
    """The formulas of these files that are not zero by definition, and those of quantization read off an equation."""
    there = {f"flopsight.formulas.{file}" for file in FILES}
    known = [f for f in load_formulas() if f.reason is None]
    return [f for f in known if f.rule.__module__ in there or (f.case is None and f.family == "quantized")]


def test_every_formula_is_proven_or_says_why_not():
    for name in TESTS:
        importlib.import_module(f"formulas.test_{name}")
    operators = {f.operator for f in ours()}
    assert operators - PROVEN - ITERATIVE.keys() == set()
    assert ITERATIVE.keys() <= operators
    assert not ITERATIVE.keys() & PROVEN


@pytest.mark.parametrize("formula", ours(), ids=lambda f: f.operator)
def test_the_worked_case(formula):
    if formula.case is None:
        assert formula.rule.__module__ == "flopsight.formulas.equation"
        return
    assert formula.case.computed(formula.rule) == formula.case.cost
    assert formula.equation


@pytest.mark.parametrize("formula", [tried(f.operator, f) for f in ours()])
def test_every_overload_has_the_names_a_formula_asks_for(formula):
    packet, _, overload = formula.operator.partition(".")
    schemas = [s for s in torch._C._jit_get_schemas_for_operator(packet) if overload in ("", s.overload_name)]
    assert schemas, f"no operator {formula.operator}"
    parameters = inspect.signature(formula.rule).parameters.values()
    needed = {p.name for p in parameters if p.default is inspect.Parameter.empty and p.name != "out"}
    optional = {p.name for p in parameters} - needed - {"out"}
    for schema in schemas:
        assert needed <= {a.name for a in schema.arguments}, schema
    if formula.case is not None and VERSION.startswith(REFERENCE):
        known = {a.name for s in schemas for a in s.arguments} | shared_names(formula) | TRACED
        assert optional <= known, formula.operator


def shared_names(formula):
    """Optional names that other operators with the same formula, or one made by the same hand, have."""
    others = [f.operator for f in load_formulas() if f.rule.__code__ is formula.rule.__code__]
    return {a.name for name in others for s in torch._C._jit_get_schemas_for_operator(name) for a in s.arguments}
