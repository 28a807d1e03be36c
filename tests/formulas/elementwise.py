"""Proofs of operators that work element by element, and what references of numbers are tried on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from proof import Call, Proof

Named = tuple[str, Proof]
"""An operator and its proof; an operator may have several."""

KINDS = {
    "positive": ("float64", lambda rng, shape: rng.uniform(0.1, 2.0, shape)),
    "float32": ("float32", lambda rng, shape: rng.uniform(0.1, 2.0, shape)),
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


def sample(kind: str, shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    """A tensor of one of the KINDS."""
    dtype, draw = KINDS[kind]
    return torch.tensor(draw(np.random.default_rng(seed), shape), dtype=getattr(torch, dtype))


def proof_of(
    operator: str,
    reference: Callable[..., Any],
    arguments: st.SearchStrategy[Mapping[str, Any]],
    values: bool = True,
    **options: Any,
) -> Named:
    """A proof by a reference to which all numbers are operands.

    arguments: draws them by schema name. values: whether PyTorch is asked to confirm the values; it cannot where an
    operator runs on another device, draws, or works in place.
    """
    calls = arguments.map(lambda given: Call(given, overload=""))
    kept = {"integers": True, "runs": values, "alike": values} | options
    return operator, Proof(reference, calls, **kept)


@st.composite
def broadcastable(draw: Any, count: int) -> list[tuple[int, ...]]:
    """Shapes that can be broadcast to each other."""
    base = draw(shapes)
    found = []
    for _ in range(count):
        skipped = draw(st.integers(0, len(base)))
        found.append(tuple(1 if draw(st.booleans()) else size for size in base[skipped:]))
    return found


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
) -> list[Named]:
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
) -> Named:
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
        def tensors() -> dict[str, torch.Tensor]:
            sizes = [draw(shapes)] * len(kinds) if same or listed else draw(broadcastable(len(kinds)))
            return {
                name: sample(kind, size, draw(seeds)) for (name, kind), size in zip(kinds.items(), sizes, strict=True)
            }

        lists = [tensors() for _ in range(draw(st.integers(1, 2)) if listed else 1)]
        given: dict[str, Any] = {name: [one[name] for one in lists] if listed else lists[0][name] for name in kinds}
        for name, option in options.items():
            given[name] = draw(option) if isinstance(option, st.SearchStrategy) else option
        return given

    return proof_of(operator, reference, arguments(), values)
