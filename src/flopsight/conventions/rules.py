"""The vocabulary that the tools' conventions are written in: what counts, and what one element costs.

r rows of a softmax, f features of one row
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from flopsight.calls import Operation
from flopsight.conventions import operators
from flopsight.cost import FLOPS_PER_MAC, Cost, TensorSpec, product

Rule = Callable[["Operation"], int]
"""The count of one operator call, contractions and biases aside."""

_FAMILIES = {"attention": "softmax"}
_RELU6 = (0, 6)
_GLOBAL_POOLS = {(-1, -2): "aten::_adaptive_avg_pool2d", (-1, -2, -3): "aten::_adaptive_avg_pool3d"}


def kind(operation: Operation) -> str:
    """The operator without overload or in-place underscore.

    Adaptive average pooling to one position reaches the dispatcher as a mean over the last dimensions that keeps
    them; it is given its own name back.
    """
    name = operation.name
    if name == "aten::mean" and operation.arguments.get("keepdim"):
        return _GLOBAL_POOLS.get(tuple(operation.arguments.get("dim") or ()), name)
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def part(operation: Operation) -> str:
    """The part that the operator's work belongs to, contractions and biases aside: its family.

    Of fused attention that is softmax; of a mean that is a pooling, pooling.
    """
    if operation.family == "attention":
        return "softmax"
    return "pooling" if kind(operation) in operators.POOLS else operation.family


def cost_of(operation: Operation) -> Cost:
    """The cost of an operation, which is known: a convention is asked about no other."""
    assert operation.cost is not None, "a convention is asked only about known costs"
    return operation.cost


def first(operation: Operation) -> TensorSpec:
    """The operator's first tensor."""
    return next(operation.tensors())


def given(operation: Operation, name: str) -> TensorSpec | None:
    """The tensor passed under this name of the schema, or None."""
    spec = operation.inputs.get(name)
    return spec if isinstance(spec, TensorSpec) else None


def per_input(times: int = 1) -> Rule:
    """So much for each element of the first tensor."""
    return lambda operation: times * first(operation).numel


def per_output(times: int = 1) -> Rule:
    """So much for each element of the first result."""
    return lambda operation: times * operation.outputs[0].numel


def norm(affine: int, plain: int, *, training: tuple[int, int] | None = None) -> Rule:
    """So much for each element: with a weight, and without; and both in training, where a tool tells it apart."""

    def rule(operation: Operation) -> int:
        with_weight, without = training if training and operation.arguments.get("training") else (affine, plain)
        return (without if given(operation, "weight") is None else with_weight) * first(operation).numel

    return rule


def softmax(operation: Operation) -> int:
    """A row of f features: f exponentials, f - 1 additions, f divisions: (3*f - 1)*r."""
    spec = first(operation)
    rows = product(size for index, size in enumerate(spec.shape) if index != operation.arguments["dim"] % spec.ndim)
    return 3 * spec.numel - rows


def scores(operation: Operation) -> tuple[int, int]:
    """Of fused attention, the elements of the score matrices, and their rows; of other operators, none."""
    query, key = given(operation, "query"), given(operation, "key")
    if query is None or key is None:
        return 0, 0
    rows = product(query.shape[:-1])
    return rows * key.shape[-2], rows


def attention_softmax(operation: Operation) -> int:
    """`softmax` over the score matrices of fused attention."""
    elements, rows = scores(operation)
    return 3 * elements - rows


def convolution_bias(operation: Operation) -> int:
    """One for each bias addition of a convolution; nothing for that of a matrix product."""
    return cost_of(operation).biases if operation.family == "convolution" else 0


def relu6(operation: Operation) -> int:
    """One for each element of `hardtanh` between 0 and 6, which is what ReLU6 calls; nothing for other bounds."""
    bounds = (operation.arguments.get("min_val"), operation.arguments.get("max_val"))
    return first(operation).numel if bounds == _RELU6 else 0


def lstm(per_element: int, per_element_with_bias: int) -> Rule:
    """Of a fused LSTM, so much for each element of its output, without and with biases; of others, nothing.

    GRU, RNN and the cells reach the dispatcher as matrix products and element-wise operators.
    """

    def rule(operation: Operation) -> int:
        if operation.name != "aten::mkldnn_rnn_layer":
            return 0
        times = per_element_with_bias if operation.arguments["has_biases"] else per_element
        return times * operation.outputs[0].numel

    return rule


def each(operators: Iterable[str], rule: Rule) -> dict[str, Rule]:
    """The same rule for several operators."""
    return dict.fromkeys(operators, rule)


def macs(operation: Operation) -> int:
    """Contractions as multiply-accumulates."""
    return cost_of(operation).macs


def flops(operation: Operation) -> int:
    """Contractions as two for each multiply-accumulate."""
    return FLOPS_PER_MAC * cost_of(operation).macs


def linear(operation: Operation) -> int:
    """Contractions as multiplications and additions, one addition fewer than multiplications for each result."""
    cost = cost_of(operation)
    return FLOPS_PER_MAC * cost.macs - cost.results


def every_bias(operation: Operation) -> int:
    """One for each bias addition."""
    return cost_of(operation).biases


def no_bias(operation: Operation) -> int:
    """Nothing."""
    return 0


def counting(
    contractions: Rule, biases: Rule, rules: Mapping[str, Rule], *, families: Mapping[str, Rule] | None = None
) -> Callable[[Operation], dict[str, int]]:
    """The `parts` of a tool's convention: `rules` by operator, else `families` by family.

    The tools count forward only. Of a backward operator, contractions count and nothing else.
    """
    by_family = families or {}

    def parts(operation: Operation) -> dict[str, int]:
        counts = {"contractions": contractions(operation)}
        if "backward" in operation.name:
            return counts
        counts["biases"] = biases(operation)
        rule = rules.get(kind(operation)) or by_family.get(operation.family)
        if rule is not None:
            counts[part(operation)] = rule(operation)
        return counts

    return parts
