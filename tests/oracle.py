"""The scalar oracle: numbers that count what is done to them.

Run a plain-Python reference of an operator on arrays of these, inside `counting()`, and read the counts. Nothing here,
and no reference, may import anything from `flopsight.formulas`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_active: list[Counter[str]] = []


KINDS = ("multiply", "add", "divide", "compare", "special")
NOTED = ("macs", "results", "biases", "masked_macs")
"""What a reference notes about the contractions it does, beside the scalar operations, which count themselves."""


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Scalar operations done inside, by kind, and what is noted about contractions."""
    counts: Counter[str] = Counter()
    _active.append(counts)
    try:
        yield counts
    finally:
        _active.pop()


def _count(kind: str) -> None:
    if _active:
        _active[-1][kind] += 1


def note(**counts: int) -> None:
    """Multiply-accumulates, results, biases or masked multiply-accumulates of contractions, as a Cost has them."""
    if _active:
        _active[-1].update(counts)


def value(x: Any) -> Any:
    """The number inside a Scalar; anything else as it is."""
    return x.value if isinstance(x, Scalar) else x


def _operation(kind: str, compute: Callable[..., Any]) -> Callable[..., Scalar]:
    def method(self: Scalar, other: Any) -> Scalar:
        if isinstance(other, (np.ndarray, Complex)):
            return NotImplemented
        _count(kind)
        return Scalar(compute(self.value, value(other)))

    return method


class Scalar:
    """A real number; each arithmetic operation, comparison and elementary function it takes part in is counted."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, number: float):
        self.value = number

    __add__ = _operation("add", lambda a, b: a + b)
    __radd__ = _operation("add", lambda a, b: b + a)
    __sub__ = _operation("add", lambda a, b: a - b)
    __rsub__ = _operation("add", lambda a, b: b - a)
    __mul__ = _operation("multiply", lambda a, b: a * b)
    __rmul__ = _operation("multiply", lambda a, b: b * a)
    __truediv__ = _operation("divide", lambda a, b: a / b if b else 0.0)
    __rtruediv__ = _operation("divide", lambda a, b: b / a if a else 0.0)
    __mod__ = _operation("divide", lambda a, b: a % b if b else 0.0)
    __lt__ = _operation("compare", lambda a, b: a < b)
    __le__ = _operation("compare", lambda a, b: a <= b)
    __gt__ = _operation("compare", lambda a, b: a > b)
    __ge__ = _operation("compare", lambda a, b: a >= b)
    __eq__ = _operation("compare", lambda a, b: a == b)  # type: ignore[assignment]
    __ne__ = _operation("compare", lambda a, b: a != b)  # type: ignore[assignment]

    def __neg__(self) -> Scalar:
        _count("add")
        return Scalar(-self.value)

    def __abs__(self) -> Scalar:
        _count("compare")
        return Scalar(abs(self.value))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return f"Scalar({self.value})"


def special(function: Callable[..., float], *arguments: Any) -> Scalar:
    """One elementary function: `special(math.exp, x)`; outside its domain the result is 0."""
    _count("special")
    try:
        return Scalar(function(*map(value, arguments)))
    except (ValueError, OverflowError, ZeroDivisionError):
        return Scalar(0.0)


def exp(x: Any) -> Scalar:
    return special(math.exp, x)


def log(x: Any) -> Scalar:
    return special(math.log, x)


def sqrt(x: Any) -> Scalar:
    return special(math.sqrt, x)


def tanh(x: Any) -> Scalar:
    return special(math.tanh, x)


def erf(x: Any) -> Scalar:
    return special(math.erf, x)


def maximum(a: Any, b: Any) -> Scalar:
    """The larger of two, one comparison."""
    _count("compare")
    return Scalar(max(value(a), value(b)))


def minimum(a: Any, b: Any) -> Scalar:
    """The smaller of two, one comparison."""
    _count("compare")
    return Scalar(min(value(a), value(b)))


def select(condition: Any, a: Any, b: Any) -> Scalar:
    """`a` where the condition holds, else `b`: one comparison."""
    _count("compare")
    return Scalar(value(a) if value(condition) else value(b))


def array(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """An object array of Scalars with small positive numbers."""
    numbers = np.random.default_rng(seed).uniform(0.1, 2.0, size=shape)
    out = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        out[index] = Scalar(float(numbers[index]))
    return out


def total(items: Any) -> Scalar:
    """The sum of some Scalars: one addition fewer than there are items; of none, 0."""
    iterator = iter(items)
    result = next(iterator, None)
    if result is None:
        return Scalar(0.0)
    for item in iterator:
        result = result + item
    return result


def dot(left: Any, right: Any) -> Scalar:
    """The dot product of two sequences of Scalars."""
    return total([a * b for a, b in zip(left, right, strict=True)])


def products(left: Any, right: Any) -> Scalar:
    """A dot product that is a contraction's."""
    left, right = list(left), list(right)
    note(macs=len(left), results=1 if left else 0)
    return dot(left, right)


def biased(result: Any, bias: Any) -> Any:
    """A bias, added to a result of a contraction."""
    note(biases=1)
    return result + bias


def decide(function: Callable[..., Any], *arguments: Any) -> Scalar:
    """One decision about numbers, counted as a comparison: `decide(math.floor, x)`."""
    _count("compare")
    return Scalar(function(*map(value, arguments)))


class Complex:
    """A complex number of two Scalars; what is done to it counts as real operations on its parts."""

    __slots__ = ("im", "re")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, re: Any, im: Any):
        self.re, self.im = re, im

    def __add__(self, other: Any) -> Complex:
        if isinstance(other, Complex):
            return Complex(self.re + other.re, self.im + other.im)
        return Complex(self.re + other, self.im)

    __radd__ = __add__

    def __neg__(self) -> Complex:
        return Complex(-self.re, -self.im)

    def __sub__(self, other: Any) -> Complex:
        if isinstance(other, Complex):
            return Complex(self.re - other.re, self.im - other.im)
        return Complex(self.re - other, self.im)

    def __rsub__(self, other: Any) -> Complex:
        return Complex(other - self.re, -self.im)

    def __mul__(self, other: Any) -> Complex:
        if isinstance(other, Complex):
            return Complex(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)
        return Complex(self.re * other, self.im * other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Complex:
        if not isinstance(other, Complex):
            return Complex(self.re / other, self.im / other)
        square = other.re * other.re + other.im * other.im
        return Complex(
            (self.re * other.re + self.im * other.im) / square, (self.im * other.re - self.re * other.im) / square
        )

    def inverse(self) -> Complex:
        """1 / self."""
        square = self.re * self.re + self.im * self.im
        return Complex(self.re / square, -self.im / square)

    def __rtruediv__(self, other: Any) -> Complex:
        square = self.re * self.re + self.im * self.im
        return Complex(other * self.re / square, -(other * self.im) / square)

    def __eq__(self, other: Any) -> Scalar:  # type: ignore[override]
        return decide(lambda a, b: a and b, *(a == b for a, b in self._parts(other)))

    def __ne__(self, other: Any) -> Scalar:  # type: ignore[override]
        return decide(lambda a, b: a or b, *(a != b for a, b in self._parts(other)))

    def _parts(self, other: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        re, im = (other.re, other.im) if isinstance(other, Complex) else (other, 0.0)
        return (self.re, re), (self.im, im)

    def __repr__(self) -> str:
        return f"Complex({self.re}, {self.im})"
