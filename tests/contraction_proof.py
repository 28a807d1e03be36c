"""Proves formulas of contractions: kind by kind, and how much of it is dot products and biases.

Unlike `proof`, the operator itself need not run here (most kernels are for other devices): a test that can compares the
reference's numbers with `close`. Formulas are found by the operator's name, as the tracer finds them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from oracle import Scalar, array, counting, dot, total, value

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.registry import bind, load_formulas

PROVEN: set[str] = set()
"""Operators that some test compares with a reference."""

NOTED = ("macs", "results", "biases", "masked_macs")
_noted: Counter[str] = Counter()

few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def proves(*operators: str) -> Callable[[Any], Any]:
    """Run a test for each of `operators`, which it takes by that singular name, and note that they are proven."""
    PROVEN.update(operators)

    def mark(test: Any) -> Any:
        return pytest.mark.parametrize("operator", operators)(few(test))

    return mark


def products(left: Any, right: Any) -> Scalar:
    """A dot product that belongs to a contraction."""
    left, right = list(left), list(right)
    note(macs=len(left), results=1 if left else 0)
    return dot(left, right)


def biased(result: Scalar, bias: Scalar) -> Scalar:
    """A bias, added to a result of a contraction."""
    note(biases=1)
    return result + bias


def note(**counts: int) -> None:
    """Multiply-accumulates, results or biases of contractions that the reference has written out itself."""
    _noted.update(counts)


def specs(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays of Scalars as the specs of float32 tensors; lists of them as tuples; everything else as it is."""
    return {name: _spec(item) for name, item in given.items()}


def _spec(item: Any) -> Any:
    if isinstance(item, np.ndarray):
        return TensorSpec(item.shape)
    if isinstance(item, (list, tuple)) and any(isinstance(part, np.ndarray) for part in item):
        return tuple(map(_spec, item))
    return item


def cost_of(operator: str, given: Mapping[str, Any], out: Any) -> Cost:
    """What the formula of `operator` says."""
    found = load_formulas().find(operator)
    assert found is not None, operator
    return bind(found.rule, defaults(operator, given) | specs(given), _spec(out))


def defaults(operator: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the overload that has all `given` arguments takes for the others."""
    schemas = [
        {a.name: a for a in s.arguments} for s in torch._C._jit_get_schemas_for_operator(operator.partition(".")[0])
    ]
    schema = next((s for s in schemas if given.keys() <= s.keys()), None)
    assert schema is not None, f"no overload of {operator} takes {', '.join(given)}"
    return {name: a.default_value for name, a in schema.items() if a.has_default_value()}


def check(operator: str, given: Mapping[str, Any], reference: Callable[[], Any]) -> Any:
    """The formula counts what `reference` does; returns what it gives, an array or several."""
    _noted.clear()
    with counting() as counts:
        out = reference()
    cost = cost_of(operator, given, out)
    assert min(cost.to_dict().values(), default=0) >= 0
    assert {kind: number for kind, number in cost.by_kind().items() if number} == +counts
    ours = cost.to_dict()
    assert {name: ours.get(name, 0) for name in NOTED} == {name: _noted[name] for name in NOTED}
    return out


def each(function: Callable[..., Any], *arrays: Any) -> np.ndarray:
    """`function` of every element of arrays that broadcast."""
    if not arrays or np.broadcast(*arrays).size == 0:
        return np.empty(np.broadcast(*arrays).shape, dtype=object)
    result = np.frompyfunc(function, len(arrays), 1)(*arrays)
    if isinstance(result, np.ndarray):
        return result
    scalar = np.empty((), dtype=object)
    scalar[()] = result
    return scalar


def filled(shape: tuple[int, ...], function: Callable[..., Any]) -> np.ndarray:
    """An array with `function(*index)` at each index."""
    out = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        out[index] = function(*index)
    return out


def numbers(items: np.ndarray) -> np.ndarray:
    """The numbers inside an array of Scalars."""
    return np.vectorize(lambda item: float(value(item)), otypes=[float])(items) if items.size else items.astype(float)


def numeric(items: np.ndarray) -> Any:
    """A float64 tensor with the same numbers."""
    return torch.from_numpy(np.array(numbers(items)))


def close(mine: np.ndarray, theirs: Any) -> None:
    """The reference computes what PyTorch computes."""
    np.testing.assert_allclose(numbers(mine), theirs.detach().numpy(), rtol=1e-9, atol=1e-12)


__all__ = [
    "PROVEN", "Scalar", "array", "biased", "check", "close", "cost_of", "each", "few", "filled", "note", "numbers",
    "numeric", "products", "proves", "specs", "total",
]  # fmt: skip
