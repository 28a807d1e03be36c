"""Softmax and sums of exponentials.   R rows · L their length · n = R*L elements"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas import parts
from flopsight.formulas.equation import work
from flopsight.formulas.parts import reduced
from flopsight.formulas.registry import Case, formula


def _rows(x: TensorSpec, dim: int | None) -> tuple[int, int]:
    """How many rows there are along a dimension, and their length; a scalar is one row of one."""
    length = x.shape[-1 if dim is None else dim] if x.shape else 1
    empty = isinstance(length, int) and length == 0
    return (0 if empty else x.numel // length), length


@formula(
    "aten::_softmax",
    "aten::softmax",
    case=Case({"self": (3, 4), "dim": 1}, (3, 4), Cost(compare=9, add=12 + 9, special=12, divide=12)),
)
def softmax(self: TensorSpec, dim: int) -> Cost:
    """e = exp(x - max(x)); e / sum(e), for each row"""
    return parts.softmax(*_rows(self, dim))


@formula(
    "aten::_log_softmax",
    "aten::log_softmax",
    case=Case({"self": (3, 4), "dim": 1}, (3, 4), Cost(compare=9, add=12 + 9 + 12, special=12 + 3)),
)
def log_softmax(self: TensorSpec, dim: int) -> Cost:
    """d = x - max(x); d - log(sum(exp(d))), for each row"""
    rows, length = _rows(self, dim)
    n, joins = rows * length, reduced(rows * length, rows)
    return Cost(compare=joins, add=n + joins + n, special=n + rows)


@formula(
    "aten::_softmax_backward_data",
    case=Case({"output": (3, 4), "dim": 1}, (3, 4), Cost(multiply=2 * 12, add=9 + 12)),
)
def softmax_backward(output: TensorSpec, dim: int) -> Cost:
    """y * (g - sum(g * y)), for each row"""
    rows, length = _rows(output, dim)
    n = rows * length
    return Cost(multiply=2 * n, add=reduced(n, rows) + n)


@formula(
    "aten::_log_softmax_backward_data",
    case=Case({"output": (3, 4), "dim": 1}, (3, 4), Cost(special=12, multiply=12, add=9 + 12)),
)
def log_softmax_backward(output: TensorSpec, dim: int) -> Cost:
    """g - exp(y) * sum(g), for each row"""
    rows, length = _rows(output, dim)
    n = rows * length
    return Cost(special=n, multiply=n, add=reduced(n, rows) + n)


@formula(
    "aten::_safe_softmax",
    case=Case({"self": (3, 4), "dim": 1}, (3, 4), Cost(compare=9 + 12 + 9 + 12, add=12 + 9, special=12, divide=12)),
)
def safe_softmax(self: TensorSpec, dim: int) -> Cost:
    """softmax(x), and 0 for each row that is -infinity throughout

    Beside the softmax: n comparisons with -infinity, L - 1 joined in each row, n selections.
    """
    rows, length = _rows(self, dim)
    n = rows * length
    return parts.softmax(rows, length) + Cost(compare=n + reduced(n, rows) + n)


@formula(
    "aten::_masked_softmax",
    case=Case({"self": (3, 4), "dim": 1}, (3, 4), Cost(compare=12 + 9, add=12 + 9, special=12, divide=12)),
)
def masked_softmax(self: TensorSpec, dim: int | None = None) -> Cost:
    """softmax(-infinity if mask else x), for each row"""
    rows, length = _rows(self, dim)
    return parts.softmax(rows, length) + Cost(compare=rows * length)


@formula(
    "aten::_masked_softmax_backward",
    case=Case({"output": (3, 4), "dim": 1}, (3, 4), Cost(multiply=2 * 12, add=9 + 12, compare=12)),
)
def masked_softmax_backward(output: TensorSpec, dim: int | None = None) -> Cost:
    """0 if mask else y * (g - sum(g * y)), for each row"""
    return softmax_backward(output, -1 if dim is None else dim) + Cost(compare=output.numel)


def _stored(x: TensorSpec) -> int:
    return x.numel if x.stored is None else x.stored


@formula(
    "aten::_sparse_softmax",
    case=Case({"self": (3, 4), "dim": 1}, (3, 4), Cost(compare=12, add=2 * 12, special=12, divide=12)),
)
def sparse_softmax(self: TensorSpec) -> Cost:
    """e = exp(x - max(x)); e / sum(e), over the stored elements of each row

    Which rows hold elements depends on values: sums and maxima count one step an element, the first of a row included.
    """
    return Cost(compare=1, add=2, special=1, divide=1) * _stored(self)


@formula(
    "aten::_sparse_log_softmax",
    case=Case({"self": (3, 4), "dim": 1}, (3, 4), Cost(compare=12, add=3 * 12, special=2 * 12)),
)
def sparse_log_softmax(self: TensorSpec) -> Cost:
    """d = x - max(x); d - log(sum(exp(d))), over the stored elements of each row

    Which rows hold elements depends on values: all that is done once a row counts once an element.
    """
    return Cost(compare=1, add=3, special=2) * _stored(self)


@formula(
    "aten::_sparse_softmax_backward_data",
    case=Case({"output": (3, 4), "dim": 1}, (3, 4), Cost(multiply=2 * 12, add=2 * 12)),
)
def sparse_softmax_backward(output: TensorSpec) -> Cost:
    """y * (g - sum(g * y)), over the stored elements of each row; sums count one step an element"""
    return Cost(multiply=2, add=2) * _stored(output)


@formula(
    "aten::_sparse_log_softmax_backward_data",
    case=Case({"output": (3, 4), "dim": 1}, (3, 4), Cost(special=12, multiply=12, add=2 * 12)),
)
def sparse_log_softmax_backward(output: TensorSpec) -> Cost:
    """g - exp(y) * sum(g), over the stored elements of each row; sums count one step an element"""
    return Cost(special=1, multiply=1, add=2) * _stored(output)


@formula(
    "aten::logsumexp",
    case=Case({"self": (3, 4)}, (3,), Cost(compare=9, add=12 + 9 + 3, special=12 + 3)),
)
def logsumexp(self: TensorSpec, out: TensorSpec) -> Cost:
    """m = max(x); log(sum(exp(x - m))) + m, for each result"""
    n, results = self.numel, out.numel
    names = frozenset("xs" if self.is_complex else "")
    joins = parts.summed(self, n, results) + Cost(compare=reduced(n, results))
    return joins + work("exp(x - m)", names) * n + work("log(s) + m", names) * results


@formula(
    "aten::logcumsumexp",
    "aten::_logcumsumexp",
    case=Case({"self": (3, 4), "dim": 1}, (3, 4), Cost(compare=2 * 9, add=2 * 9, special=2 * 9)),
)
def logcumsumexp(self: TensorSpec, dim: int) -> Cost:
    """y[i] = m + log1p(exp(min(x[i], y[i - 1]) - m)), m being the larger of the two, from the second of each row on"""
    rows, length = _rows(self, dim)
    names = frozenset("xy" if self.is_complex else "")
    return work("m = max(x, y); m + log1p(exp(min(x, y) - m))", names) * reduced(rows * length, rows)
