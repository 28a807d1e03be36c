"""How formulas are proven: an operator, a plain-Python reference on the oracle's numbers, and a formula, side by side.

The operator gives the result, the reference must give the same numbers, and the formula must give exactly the scalar
operations that the reference did, and of those exactly that much to contractions.
"""

from __future__ import annotations

import inspect
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch._prims
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import KINDS, NOTED, Complex, Scalar, counting, value
from versions import tried

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.registry import bind, load_formulas

REGISTRY = load_formulas()
TRACED = {"packed_bias"}
"""What a formula may ask for that no schema has: the tracer takes it out of another argument."""


class Call(NamedTuple):
    """Arguments of one call, by schema name, for an overload (of "", the one they fit).

    out: the result, or tensors of its shape, where the operator cannot run here.
    """

    given: Mapping[str, Any]
    overload: str = "default"
    out: Any = None


@dataclass(frozen=True)
class Proof:
    """A reference, and what it is tried on.

    reference: takes what it asks for by schema name, and `out_shape`, that of the (first) result; returns the results,
        or the first of them; None for what is not compared. calls: draws Calls.
    alike: whether the results are compared with the operator's. runs: whether the operator can be run; if not, and if
        the call has no `out`, the result's shape is the reference's.
    integers: whether integers and booleans are operands too; otherwise they stay what they are, as indices do.
    finite: whether only those numbers are compared that PyTorch has finite; the oracle's have 0 in their place.
    """

    reference: Callable[..., Any]
    calls: st.SearchStrategy[Call]
    alike: bool = True
    runs: bool = True
    integers: bool = False
    finite: bool = False

    def run(self, operator: Any, given: Mapping[str, Any]) -> Any:
        """What PyTorch makes of the arguments; what it remarks (beta, deprecated) differs from version to version."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return operator(**each(torch.clone, given))


def prove(name: str, proof: Proof, call: Call) -> None:
    """Run the three of them and compare."""
    operator = _operator(name, call.overload)
    full_name = operator.name() if isinstance(operator, torch._ops.OpOverload) else name
    formula = REGISTRY.find(full_name)
    assert formula is not None, f"{full_name} has no formula"
    assert formula.operator == name, f"{full_name} goes by {formula.operator}, not {name}"
    runs = proof.runs and call.out is None
    wanted = proof.run(operator, call.given) if runs else call.out
    complete = specs(call.given) if operator is None else completed(name, call.given, call.overload)
    names = inspect.signature(proof.reference).parameters
    arguments = {n: complete[n] for n in names if n in complete}
    arguments |= {n: each(lambda x: scalars(x, proof.integers), call.given[n]) for n in names if n in call.given}
    if "out_shape" in names:
        arguments["out_shape"] = tuple((wanted[0] if isinstance(wanted, tuple) else wanted).shape)
    with counting() as counts:
        got = proof.reference(**arguments)
    agree(bind(formula.rule, complete, spec(got if wanted is None else wanted)), counts, f"{full_name} on {complete}")
    if proof.alike and runs and got is not None:
        compare(got, wanted, finite=proof.finite)


def agree(cost: Cost, counts: Counter[str], what: str) -> None:
    """The cost is what was counted: kind by kind, and what of it belongs to contractions."""
    said = cost.by_kind() | {name: getattr(cost, name) for name in NOTED}
    assert said == {name: counts[name] for name in (*KINDS, *NOTED)}, what


def _operator(name: str, overload: str) -> Any:
    """The overload, or all of them, or None where there is none: the package that registers it is not here."""
    namespace, packet = name.split(".")[0].split("::")
    found = getattr(getattr(torch.ops, namespace), packet, None)
    return getattr(found, overload, None) if overload else found


def completed(name: str, given: Mapping[str, Any], overload: str = "") -> dict[str, Any]:
    """Arguments as the formula of an operator gets them, with the schema's defaults for those that are not given.

    overload: which one's schema; of "", the first that has all those given.
    """
    schemas = torch._C._jit_get_schemas_for_operator(name.partition(".")[0])
    named = [s for s in schemas if s.overload_name == overload.replace("default", "")]
    fitting = named if overload else [s for s in schemas if given.keys() - TRACED <= {a.name for a in s.arguments}]
    assert fitting, f"no overload of {name} takes {', '.join(given)}"
    known = {a.name: a.default_value for a in fitting[0].arguments if a.has_default_value() or a.name in given}
    return known | {name: spec(item) for name, item in given.items() if name in known.keys() | TRACED}


def each(change: Callable[[Any], Any], given: Any) -> Any:
    """`change` of every tensor in there."""
    if isinstance(given, Mapping):
        return {name: each(change, item) for name, item in given.items()}
    if isinstance(given, list | tuple):
        return type(given)(each(change, item) for item in given)
    return change(given) if isinstance(given, torch.Tensor) else given


def scalars(tensor: torch.Tensor, integers: bool = False) -> np.ndarray:
    """An object array of Scalars, or of Complex; integers and booleans only where they are asked for."""
    numbers = tensor.detach().cpu().numpy()
    if numbers.dtype.kind not in "fc" and not integers:
        return numbers
    made = np.empty(numbers.shape, dtype=object)
    for index in np.ndindex(*numbers.shape):
        number = numbers[index].item()
        is_complex = isinstance(number, complex)
        made[index] = Complex(Scalar(number.real), Scalar(number.imag)) if is_complex else Scalar(number)
    return made


def specs(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as a formula gets them."""
    return {name: spec(item) for name, item in given.items()}


def spec(item: Any) -> Any:
    """The `TensorSpec` of a tensor or of an array of the oracle's numbers, a tuple for several; else what it is."""
    if isinstance(item, torch.Tensor):
        return TensorSpec(tuple(item.shape), str(item.dtype).removeprefix("torch."))
    if isinstance(item, np.ndarray):
        return TensorSpec(item.shape, "complex64" if item.size and isinstance(item.flat[0], Complex) else "float32")
    if isinstance(item, Scalar | Complex):
        return TensorSpec((), "float32" if isinstance(item, Scalar) else "complex64")
    if isinstance(item, list | tuple):
        parts = tuple(map(spec, item))
        return parts if any(isinstance(part, TensorSpec | tuple) for part in parts) else item
    return item


def plain(number: Any) -> Any:
    """The number in a Scalar or Complex."""
    return complex(value(number.re), value(number.im)) if isinstance(number, Complex) else value(number)


def compare(got: Any, wanted: Any, *, finite: bool = False) -> None:
    """What the reference computed is what PyTorch computed."""
    if got is None:
        return
    if isinstance(wanted, list | tuple):
        parts = zip(got, wanted, strict=True) if isinstance(got, list | tuple) else [(got, wanted[0])]
        for one, other in parts:
            compare(one, other, finite=finite)
        return
    expected = torch.as_tensor(wanted).to(torch.complex128).numpy()
    assert np.shape(got) == expected.shape
    ours = np.array([plain(x) for x in np.asarray(got, dtype=object).flat], dtype=complex).reshape(expected.shape)
    known = np.isfinite(expected) | (not finite)
    np.testing.assert_allclose(ours[known], expected[known], rtol=1e-6, atol=1e-8)


def proven(proofs: Mapping[str, Proof] | Iterable[tuple[str, Proof]], examples: int = 15) -> Callable[..., None]:
    """A test that checks each operator's proof on a few drawn examples."""
    pairs = list(proofs.items() if isinstance(proofs, Mapping) else proofs)

    @pytest.mark.parametrize(("operator", "proof"), [tried(name, name, proof) for name, proof in pairs])
    @settings(max_examples=examples, deadline=None)
    @given(data=st.data())
    def test(operator: str, proof: Proof, data: st.DataObject) -> None:
        prove(operator, proof, data.draw(proof.calls))

    return test


def unproven(proofs: Mapping[str, Proof] | Iterable[tuple[str, Proof]], *files: str, family: str = "") -> set[str]:
    """Operators whose formulas stand in these files or are of this family, cost something, and have no proof."""
    names = set(proofs if isinstance(proofs, Mapping) else dict(proofs))
    there = {f"flopsight.formulas.{file}" for file in files}
    ours = (f for f in REGISTRY if f.rule.__module__ in there or f.family == family)
    return {f.operator for f in ours if f.reason is None} - names


def tensor(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Numbers between 0.1 and 2, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_complex:
        return torch.complex(tensor(*shape, seed=seed), tensor(*shape, seed=seed + 1)).to(dtype)
    return (torch.rand(shape, generator=generator, dtype=torch.float64) * 1.9 + 0.1).to(dtype)


def shapes(
    least: int = 0, most: int = 3, *, empty: bool = True, largest: int = 4
) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of so many dimensions, sizes from 0 (or 1) to `largest`."""
    return st.lists(st.integers(0 if empty else 1, largest), min_size=least, max_size=most).map(tuple)
