"""How a formula is proven: its cost against the counts of a plain-Python reference, whose values PyTorch confirms.

A `Proof` names an operator, a reference that works on arrays of the oracle's numbers, and what arguments to draw. The
reference gets arguments by schema name, those that it asks for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
import torch._prims
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Complex, Scalar, counting, value

from flopsight.cost import TensorSpec
from flopsight.formulas.registry import bind, load_formulas

KINDS = {
    "positive": ("float64", lambda rng, shape: rng.uniform(0.1, 2.0, shape)),
    "float32": ("float32", lambda rng, shape: np.asarray(rng.uniform(0.1, 2.0, shape), np.float32).astype(float)),
    "signed": ("float64", lambda rng, shape: rng.uniform(-4.0, 4.0, shape)),
    "unit": ("float64", lambda rng, shape: rng.uniform(0.1, 0.9, shape)),
    "over one": ("float64", lambda rng, shape: rng.uniform(1.1, 3.0, shape)),
    "bool": ("bool", lambda rng, shape: rng.integers(0, 2, shape).astype(bool)),
    "int": ("int64", lambda rng, shape: rng.integers(1, 6, shape)),
    "complex": ("complex128", lambda rng, shape: rng.uniform(0.2, 0.9, shape) + 1j * rng.uniform(0.2, 0.9, shape)),
}
"""What tensors may hold: a dtype, and how elements are drawn."""

shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
seeds = st.integers(0, 2**16)


def wrapped(numbers: np.ndarray) -> np.ndarray:
    """Numbers as an object array of Scalars, complex ones of Complex."""
    out = np.empty(numbers.shape, dtype=object)
    for index in np.ndindex(*numbers.shape):
        number = numbers[index].item()
        out[index] = (
            Complex(Scalar(number.real), Scalar(number.imag)) if isinstance(number, complex) else Scalar(number)
        )
    return out


@dataclass
class Tensor:
    """An argument that is a tensor: its numbers, and the dtype that PyTorch and the formula are told."""

    numbers: np.ndarray
    dtype: str
    scalars: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.scalars = wrapped(self.numbers)

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec(self.numbers.shape, self.dtype)

    @property
    def torch(self) -> torch.Tensor:
        return torch.tensor(self.numbers, dtype=getattr(torch, self.dtype))


def tensor(kind: str, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """A tensor of one of the KINDS."""
    dtype, draw = KINDS[kind]
    return Tensor(np.asarray(draw(np.random.default_rng(seed), shape)), dtype)


@st.composite
def broadcastable(draw: Any, count: int) -> list[tuple[int, ...]]:
    """Shapes that can be broadcast to each other."""
    base = draw(shapes)
    found = []
    for _ in range(count):
        skipped = draw(st.integers(0, len(base)))
        found.append(tuple(1 if draw(st.booleans()) else size for size in base[skipped:]))
    return found


def _each(convert: Callable[[Any], Any], given: Any) -> Any:
    if isinstance(given, (list, tuple)) and any(isinstance(item, Tensor) for item in given):
        return tuple(convert(item) for item in given)
    return convert(given)


def spec_of(result: Any) -> Any:
    """The `TensorSpec` of what a reference returns: an array, one number, or a tuple of those."""
    if isinstance(result, (tuple, list)):
        return tuple(map(spec_of, result))
    if isinstance(result, np.ndarray):
        has_complex = result.size > 0 and isinstance(result.flat[0], Complex)
        return TensorSpec(result.shape, "complex128" if has_complex else "float64")
    return TensorSpec((), "complex128" if isinstance(result, Complex) else "float64")


def plain(number: Any) -> Any:
    """The number in a Scalar or Complex."""
    return complex(value(number.re), value(number.im)) if isinstance(number, Complex) else value(number)


def assert_same_values(result: Any, expected: Any) -> None:
    """What the reference computed is what PyTorch computed; a result that it leaves out (None) is not compared."""
    if result is None:
        return
    if isinstance(expected, (tuple, list)):
        for ours, theirs in zip(result, expected, strict=True):
            assert_same_values(ours, theirs)
        return
    ours = np.array([plain(x) for x in np.asarray(result, dtype=object).flat], dtype=complex)
    theirs = np.asarray(torch.as_tensor(expected).to(torch.complex128)).reshape(-1)
    known = np.isfinite(theirs)
    np.testing.assert_allclose(ours[known], theirs[known], rtol=1e-6, atol=1e-8)


@dataclass(frozen=True)
class Proof:
    """A reference for an operator, and what it is tried on.

    arguments: draws arguments by schema name, `Tensor`s, lists of them, or plain values. values: whether PyTorch is
    asked to confirm the values; it cannot where an operator runs on another device, draws, or works in place.
    """

    operator: str
    reference: Callable[..., Any]
    arguments: st.SearchStrategy[Mapping[str, Any]]
    values: bool = True

    def __str__(self) -> str:
        return self.operator

    def check(self, given: Mapping[str, Any]) -> None:
        """The formula's counts are the reference's, and the reference's values are PyTorch's."""
        wants = inspect.signature(self.reference).parameters
        arrays = {name: _each(lambda x: x.scalars if isinstance(x, Tensor) else x, given[name]) for name in given}
        with counting() as counts:
            result = self.reference(**{name: arrays[name] for name in arrays if name in wants})
        rule = load_formulas().find(self.operator).rule
        specs = {name: _each(lambda x: x.spec if isinstance(x, Tensor) else x, given[name]) for name in given}
        cost = bind(rule, specs, spec_of(result))
        assert {kind: n for kind, n in cost.by_kind().items() if n} == {kind: n for kind, n in counts.items() if n}
        if self.values:
            assert_same_values(result, self.run(given))

    def run(self, given: Mapping[str, Any]) -> Any:
        """What PyTorch makes of the arguments."""
        namespace, _, name = self.operator.partition("::")
        packet = getattr(getattr(torch.ops, namespace), name.partition(".")[0])
        return packet(**{name: _each(lambda x: x.torch if isinstance(x, Tensor) else x, given[name]) for name in given})


def over(function: Callable[..., Any], *operands: Any) -> Any:
    """A function of numbers, applied to arrays that are broadcast; several results make several arrays."""
    arrays = np.broadcast_arrays(*(np.asarray(operand, dtype=object) for operand in operands))
    results = [function(*numbers) for numbers in zip(*(array.flat for array in arrays), strict=True)]
    shape = arrays[0].shape
    if results and isinstance(results[0], tuple):
        return tuple(_filled(shape, part) for part in zip(*results, strict=True))
    return _filled(shape, results)


def _filled(shape: tuple[int, ...], numbers: Any) -> np.ndarray:
    out = np.empty(shape, dtype=object)
    for index, number in zip(np.ndindex(*shape), numbers, strict=True):
        out[index] = number
    return out


def elementwise(
    operators: str,
    function: Callable[..., Any],
    kinds: Mapping[str, str] | str = "positive",
    *,
    options: Mapping[str, Any] | None = None,
    results: int = 1,
    same: bool = False,
    values: bool = True,
) -> list[Proof]:
    """Proofs for `operators` (in aten where nothing else is said) by a function of numbers, one for each element.

    kinds: what each tensor holds, by argument name; of one named `self` alone, just that. options: plain arguments, a
    value or a strategy each, that the function gets by name if it asks for them. results: how many there are.
    same: whether the tensors must have one shape.
    """
    tensors = {"self": kinds} if isinstance(kinds, str) else kinds
    names = [name if "::" in name else f"aten::{name}" for name in operators.split()]
    return [_elementwise(name, function, tensors, options or {}, results, same, values) for name in names]


def _elementwise(
    operator: str,
    function: Callable[..., Any],
    kinds: Mapping[str, str],
    options: Mapping[str, Any],
    results: int,
    same: bool,
    values: bool,
) -> Proof:
    listed = "::_foreach_" in operator
    asked = [name for name in options if name in inspect.signature(function).parameters]

    def reference(**given: Any) -> Any:
        chosen = {name: given[name] for name in asked}

        def one(*arrays: Any) -> Any:
            found = over(lambda *numbers: function(*numbers, **chosen), *arrays)
            return (
                (np.empty(arrays[0].shape, dtype=object),) * results
                if results > 1 and not isinstance(found, tuple)
                else found
            )

        operands = [given[name] for name in kinds]
        return tuple(one(*arrays) for arrays in zip(*operands, strict=True)) if listed else one(*operands)

    reference.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in (*kinds, *asked)]
    )

    @st.composite
    def arguments(draw: Any) -> dict[str, Any]:
        def tensors() -> dict[str, Tensor]:
            sizes = [draw(shapes)] * len(kinds) if same or listed else draw(broadcastable(len(kinds)))
            return {
                name: tensor(kind, size, draw(seeds)) for (name, kind), size in zip(kinds.items(), sizes, strict=True)
            }

        lists = [tensors() for _ in range(draw(st.integers(1, 2)) if listed else 1)]
        given: dict[str, Any] = {name: [one[name] for one in lists] if listed else lists[0][name] for name in kinds}
        for name, option in options.items():
            given[name] = draw(option) if isinstance(option, st.SearchStrategy) else option
        return given

    return Proof(operator, reference, arguments(), values)


def proven(proofs: list[Proof], examples: int = 12) -> Callable[..., None]:
    """A test that checks each proof on a few drawn examples."""

    @pytest.mark.parametrize("proof", proofs, ids=str)
    @settings(max_examples=examples, deadline=None)
    @given(data=st.data())
    def test(proof: Proof, data: st.DataObject) -> None:
        proof.check(data.draw(proof.arguments))

    return test


def without_proof(family: str, proofs: list[Proof]) -> set[str]:
    """Operators of a family that cost something, and that no proof is about."""
    counted = {formula.operator for formula in load_formulas() if formula.family == family and formula.reason is None}
    return counted - {proof.operator for proof in proofs}
