"""Proves formulas of contractions: kind by kind, and how much of it is dot products and biases.

Unlike `proof`, the operator itself need not run here (most kernels are for other devices): a test that can compares the
reference's numbers with `close`. Formulas are found by the operator's name, as the tracer finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from oracle import Scalar, array, biased, counting, note, products, total, value
from proof import agree, completed, spec, specs
from versions import tried

from flopsight.cost import Cost
from flopsight.formulas.registry import bind, load_formulas

PROVEN: set[str] = set()
"""Operators that some test compares with a reference."""

few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def proves(*operators: str, argument: str = "") -> Callable[[Any], Any]:
    """Run a test for each of `operators`, which it takes by that singular name, and note that they are proven.

    Those that this version of PyTorch does not have, or not with that argument, are skipped.
    """
    PROVEN.update(operators)

    def mark(test: Any) -> Any:
        return pytest.mark.parametrize("operator", [tried(name, argument=argument) for name in operators])(few(test))

    return mark


def cost_of(operator: str, given: Mapping[str, Any], out: Any) -> Cost:
    """What the formula of `operator` says."""
    found = load_formulas().find(operator)
    assert found is not None, operator
    return bind(found.rule, completed(operator, given), spec(out))


def check(operator: str, given: Mapping[str, Any], reference: Callable[[], Any]) -> Any:
    """The formula counts what `reference` does; returns what it gives, an array or several."""
    with counting() as counts:
        out = reference()
    cost = cost_of(operator, given, out)
    agree(cost, counts, operator)
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
