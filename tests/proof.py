"""Proves formulas: an operator, its plain-Python reference on Scalars, and its formula, on the same arguments.

The operator gives the result (and its shape), the reference must give the same numbers, and the formula must give
exactly the scalar operations that the reference did.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import torch
from oracle import Scalar, counting, maximum, value

from flopsight.cost import TensorSpec
from flopsight.formulas.registry import bind, load_formulas

KINDS = ("multiply", "add", "divide", "compare", "special")
REGISTRY = load_formulas()


class Call(NamedTuple):
    """Arguments of one call, by schema name, for an overload; `out` where the operator cannot run here."""

    given: Mapping[str, Any]
    overload: str = "default"
    out: Any = None


@dataclass(frozen=True)
class Proof:
    """calls: a strategy of Calls. reference: takes what it asks for by schema name, and `out_shape`, that of
    the (first) result; returns the results, or None. alike: whether those are to be compared with the operator's.
    """

    reference: Callable[..., Any]
    calls: st.SearchStrategy[Call]
    alike: bool = True


class Pair:
    """A complex number made of two Scalars."""

    def __init__(self, re: Scalar, im: Scalar):
        self.re, self.im = re, im

    def __add__(self, other: Pair) -> Pair:
        return Pair(self.re + other.re, self.im + other.im)

    def __sub__(self, other: Pair) -> Pair:
        return Pair(self.re - other.re, self.im - other.im)

    def __mul__(self, other: Pair) -> Pair:
        return Pair(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)

    def __ne__(self, other: Any) -> Any:
        return maximum(self.re != value(other).real, self.im != value(other).imag)

    def __truediv__(self, other: Any) -> Pair:
        return Pair(self.re / other, self.im / other)

    @property
    def value(self) -> complex:
        return complex(self.re.value, self.im.value)


def scalars(tensor: torch.Tensor) -> np.ndarray:
    """An object array of Scalars, or Pairs; integers and booleans stay what they are."""
    numbers = tensor.detach().cpu().numpy()
    if numbers.dtype.kind not in "fc":
        return numbers
    made = np.empty(numbers.shape, dtype=object)
    for index in np.ndindex(*numbers.shape):
        number = numbers[index]
        pair = numbers.dtype.kind == "c"
        made[index] = Pair(Scalar(float(number.real)), Scalar(float(number.imag))) if pair else Scalar(float(number))
    return made


def _each(change: Callable[[Any], Any], given: Any) -> Any:
    if isinstance(given, list | tuple):
        return type(given)(_each(change, item) for item in given)
    return change(given) if isinstance(given, torch.Tensor) else given


def spec(tensor: torch.Tensor) -> TensorSpec:
    return TensorSpec(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def _result(call: Call, operator: Any) -> Any:
    if call.out is not None:
        return call.out
    return operator(**_each(torch.clone, dict(call.given)))


def _complete(call: Call, operator: Any) -> dict[str, Any]:
    if operator is None:
        return {name: _each(spec, argument) for name, argument in call.given.items()}
    schema = operator._schema.arguments
    given = {a.name: call.given.get(a.name, a.default_value) for a in schema}
    return {name: _each(spec, argument) for name, argument in given.items()}


def _operator(name: str, overload: str) -> Any:
    """The overload, or None where there is none: the package that registers it is not here."""
    namespace, packet = name.split(".")[0].split("::")
    found = getattr(getattr(torch.ops, namespace), packet, None)
    return getattr(found, overload, None)


def prove(name: str, proof: Proof, call: Call) -> None:
    """Run the three of them and compare."""
    operator = _operator(name, call.overload)
    full_name = name if operator is None else operator.name()
    wanted = _result(call, operator)
    complete = _complete(call, operator)
    formula = REGISTRY.find(full_name)
    assert formula is not None, f"{full_name} has no formula"
    assert formula.operator == name, f"{full_name} goes by {formula.operator}, not {name}"
    names = inspect.signature(proof.reference).parameters
    arguments = {n: complete[n] for n in names if n in complete}
    arguments |= {n: _each(scalars, dict(call.given)[n]) for n in names if n in call.given}
    if "out_shape" in names:
        arguments["out_shape"] = tuple((wanted[0] if isinstance(wanted, tuple) else wanted).shape)
    with counting() as counts:
        got = proof.reference(**arguments)
    if proof.alike and call.out is None and got is not None:
        _compare(got, wanted)
    cost = bind(formula.rule, complete, _each(spec, wanted))
    assert cost.by_kind() == {kind: counts[kind] for kind in KINDS}, f"{full_name} on {complete}"


def _compare(got: Any, wanted: Any) -> None:
    if isinstance(wanted, tuple) and not isinstance(got, tuple):
        wanted = wanted[0]
    if isinstance(got, tuple):
        for one, other in zip(got, wanted, strict=False):
            if one is not None:
                _compare(one, other)
        return
    numbers = np.array([value(x) if not isinstance(x, Pair) else x.value for x in np.asarray(got).ravel()])
    expected = wanted.numpy() if isinstance(wanted, torch.Tensor) else np.asarray(wanted)
    assert np.shape(got) == expected.shape
    np.testing.assert_allclose(numbers.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


def unproven(proofs: Mapping[str, Proof], *files: str) -> set[str]:
    """Operators whose formulas stand in these files, are not zero by definition, and have no proof."""
    there = {f"flopsight.formulas.{file}" for file in files}
    return {f.operator for f in REGISTRY if f.rule.__module__ in there and f.reason is None} - proofs.keys()


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
