"""The value a formula returns, and the shapes it is given.

A cost keeps the work of contractions apart from every other scalar operation, so that each convention
can be computed from it: see `flopsight.conventions`.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

FLOPS_PER_MAC = 2

_ITEMSIZES = {
    "bool": 1, "uint8": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
    "float16": 2, "bfloat16": 2, "float32": 4, "float64": 8, "complex32": 4, "complex64": 8, "complex128": 16,
    "float8_e4m3fn": 1, "float8_e5m2": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1,
    "float4_e2m1fn_x2": 1, "qint8": 1, "quint8": 1, "qint32": 4, "quint4x2": 1, "quint2x4": 1,
}  # fmt: skip


product = prod
"""The product of sizes; 1 for none. Works on symbols as well."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a formula sees of a tensor.

    shape: sizes. dtype: PyTorch's name without `torch.`. stored: elements that are stored, for a sparse tensor.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    stored: int | None = None

    @property
    def numel(self) -> int:
        """Number of elements."""
        return product(self.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes an element takes."""
        return _ITEMSIZES.get(self.dtype, 1)

    @property
    def nbytes(self) -> int:
        """Bytes the elements take."""
        return (self.numel if self.stored is None else self.stored) * self.itemsize

    @property
    def is_complex(self) -> bool:
        """Whether the elements are complex numbers."""
        return self.dtype.startswith("complex")


class _Counts(NamedTuple):
    macs: int
    results: int
    biases: int
    masked_macs: int
    multiply: int
    add: int
    divide: int
    compare: int
    special: int


class Cost(_Counts):
    """Scalar operations of one operator call, a tuple of counts. Adds, and scales by an integer.

    Contractions (matrix product, convolution, attention, recurrent gate), `results` dot products of length K:

    macs: multiply-accumulates, `results * K`: that many multiplications and `macs - results` additions.
    results: how many dot products there are.
    biases: additions of a bias to a result, one each.
    masked_macs: those of `macs` that a mask given in the call makes unnecessary (causal attention, windows).

    Everything else, by kind:

    multiply, add, divide, compare: scalar operations; a subtraction or negation is an add; minimum, maximum, and
        a selection by a condition are a compare. special: elementary functions (exp, log, sqrt, sin, tanh, erf, pow).
    """

    __slots__ = ()

    def __new__(
        cls,
        *,
        macs: int = 0,
        results: int = 0,
        biases: int = 0,
        masked_macs: int = 0,
        multiply: int = 0,
        add: int = 0,
        divide: int = 0,
        compare: int = 0,
        special: int = 0,
    ) -> Cost:
        """Counts that are not given are 0."""
        return tuple.__new__(cls, (macs, results, biases, masked_macs, multiply, add, divide, compare, special))

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, int]]:
        return (), self._asdict()

    def __add__(self, other: Any) -> Cost:
        if not isinstance(other, Cost):  # NotImplemented would have the counts joined to another tuple
            raise TypeError(f"A Cost adds to another Cost, not to {other!r}.")
        if other is ZERO:
            return self
        return other if self is ZERO else Cost._make(map(operator.add, self, other))

    def __mul__(self, times: Any) -> Cost:
        return Cost._make([count * times if count or type(count) is not int else 0 for count in self])

    __rmul__ = __mul__
    # counts of different kinds have no order
    __lt__ = __le__ = __gt__ = __ge__ = object.__lt__  # type: ignore[operator]

    @property
    def flops(self) -> int:
        """Floating-point operations of contractions, a multiply-accumulate being two."""
        return FLOPS_PER_MAC * self.macs

    @property
    def linear(self) -> int:
        """Exact multiplications and additions of contractions and their biases."""
        return 2 * self.macs - self.results + self.biases

    @property
    def weights(self) -> int:
        """Multiplications of contractions, the bias counted as one more weight."""
        return self.macs + self.biases

    @property
    def exact(self) -> int:
        """Every scalar arithmetic operation."""
        return self.linear + self.multiply + self.add + self.divide + self.compare + self.special

    def by_kind(self) -> dict[str, int]:
        """Scalar operations by kind, contractions included; the values sum to `exact`."""
        return {
            "multiply": self.macs + self.multiply,
            "add": self.macs - self.results + self.biases + self.add,
            "divide": self.divide,
            "compare": self.compare,
            "special": self.special,
        }

    def to_dict(self) -> dict[str, int]:
        """The fields that are not zero."""
        return {name: value for name, value in zip(self._fields, self, strict=True) if value}


ZERO = Cost()


def contraction(*, outputs: int, length: int, bias: bool = False) -> Cost:
    """The cost of `outputs` dot products of `length`, each with one addition more where there is a `bias`."""
    empty = isinstance(length, int) and length == 0  # a dot product of nothing needs no addition
    return Cost(macs=outputs * length, results=0 if empty else outputs, biases=outputs if bias else 0)
