"""What fused operators are made of: scaled by how many elements, rows or products there are."""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec, contraction

RELU = Cost(compare=1)
"""max(x, 0)"""
TANH = Cost(special=1)
"""tanh(x)"""
SIGMOID = Cost(add=2, special=1, divide=1)
"""1 / (1 + exp(-x))"""
SILU = SIGMOID + Cost(multiply=1)
"""x * sigmoid(x)"""
GELU = Cost(multiply=3, add=1, special=1)
"""0.5 * x * (1 + erf(x * c))"""
DROPOUT = Cost(multiply=2)
"""x * (0 or 1) * 1/(1 - p), where dropout works"""

ACTIVATIONS = {
    None: ZERO, "none": ZERO, "": ZERO, "relu": RELU, "tanh": TANH, "sigmoid": SIGMOID, "logistic": SIGMOID,
    "silu": SILU, "swish": SILU, "gelu": GELU,
    "hardtanh": Cost(compare=2), "relu6": Cost(compare=2),
    "leaky_relu": Cost(compare=1, multiply=1),
    "hardsigmoid": Cost(add=1, compare=2, divide=1),
    "hardswish": Cost(add=1, compare=2, divide=1, multiply=1),
}  # fmt: skip
"""Costs per element of the activations that fused operators name by a string."""

BINARIES = {
    None: ZERO,
    "none": ZERO,
    "add": Cost(add=1),
    "sum": Cost(add=1),
    "sub": Cost(add=1),
    "mul": Cost(multiply=1),
}
"""Costs per element of what fused operators do with another tensor, named by a string."""


def products(tensor: TensorSpec, *, outputs: int, length: int, bias: bool = False) -> Cost:
    """`outputs` dot products of `length` of numbers like those in `tensor`.

    A complex one is two real ones of twice the length: re*re - im*im and re*im + im*re.
    """
    parts = 2 if tensor.is_complex else 1
    return contraction(outputs=parts * outputs, length=parts * length, bias=bias)


def scaled(tensor: TensorSpec, factor: complex, count: int) -> Cost:
    """`count` numbers like those in `tensor`, times a plain factor; a factor of 1 needs no work."""
    return ZERO if factor == 1 else multiplied(tensor, count)


def multiplied(tensor: TensorSpec, count: int) -> Cost:
    """`count` products of two numbers like those in `tensor`: a complex one is 4 multiplications and 2 additions."""
    return Cost(multiply=4 * count, add=2 * count) if tensor.is_complex else Cost(multiply=count)


def added(tensor: TensorSpec, count: int) -> Cost:
    """`count` sums of two numbers like those in `tensor`: a complex one is 2 additions."""
    return Cost(add=2 * count if tensor.is_complex else count)


def reduced(size: int, results: int) -> int:
    """Two-operand steps that join `size` numbers into `results`: of nothing, none."""
    return 0 if isinstance(size, int) and size == 0 else size - results


def gathered(tensor: TensorSpec, *, macs: int, results: int) -> Cost:
    """Dot products of unequal lengths, of numbers like those in `tensor`: `macs` terms in `results` sums."""
    if isinstance(macs, int) and macs == 0:
        return ZERO
    return Cost(macs=4 * macs, results=2 * results) if tensor.is_complex else Cost(macs=macs, results=results)


def summed(tensor: TensorSpec, size: int, results: int) -> Cost:
    """Sums of `size` numbers like those in `tensor` into `results`."""
    return added(tensor, reduced(size, results))


def softmax(rows: int, length: int) -> Cost:
    """exp(x - max(x)) / sum(exp(x - max(x))), for `rows` rows of `length`."""
    size = rows * length
    joins = reduced(size, rows)
    return Cost(compare=joins, add=size + joins, special=size, divide=size)


def layer_norm(rows: int, length: int, *, affine: bool = True) -> Cost:
    """(x - mean) / sqrt(var + eps) * weight + bias, for `rows` rows of `length`.

    mean: length - 1 additions, 1 division. var: length subtractions (kept for the numerator), length squares,
    length - 1 additions, 1 division. Then 1 addition of eps, 1 reciprocal square root, length multiplications,
    and the affine part.
    """
    size = rows * length
    own = Cost(add=2 * reduced(size, rows) + size + rows, multiply=2 * size, divide=2 * rows, special=rows)
    return own + Cost(multiply=size, add=size) if affine else own
