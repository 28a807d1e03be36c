"""As torchinfo 1.8.0 counts `mult_adds` (`torchinfo.layer_info.LayerInfo.calculate_macs`): parameters times positions.

N size of the first dimension, which torchinfo takes for the batch
"""

from __future__ import annotations

from flopsight.calls import Operation
from flopsight.conventions import Convention, operators, rules
from flopsight.conventions.rules import each, first, given


def _parameters(operation: Operation) -> int:
    """N times the parameters, as if each were multiplied once for each sample."""
    parameters = (given(operation, "weight"), given(operation, "bias"))
    return first(operation).shape[0] * sum(spec.numel for spec in parameters if spec is not None)


def _embedding(operation: Operation) -> int:
    """N times all elements of the table, as if a look-up were a matrix product."""
    table, indices = given(operation, "weight"), given(operation, "indices")
    assert table is not None and indices is not None, "aten::embedding has a weight and indices"
    return (indices.shape[0] if indices.shape else 1) * table.numel


_RULES = {
    **each(operators.NORMS + operators.PRELUS, _parameters),
    "aten::embedding": _embedding,
}

TORCHINFO = Convention(
    "torchinfo",
    "Parameters times positions: multiply-accumulates and biases; normalization its parameters once a sample, an "
    "embedding its whole table once a sample.",
    "MACs",
    rules.counting(rules.macs, rules.every_bias, _RULES),
)
