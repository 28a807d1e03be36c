"""Integer polynomials in the names of sizes, and in floors of quotients of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from math import gcd
from math import prod as product
from operator import floordiv
from typing import Any

Monomial = tuple[tuple["Atom", int], ...]
"""Atoms with their powers, in the order in which they were first met."""


class Atom:
    """What a polynomial is made of: the name of a size; the floor of the quotient of two polynomials; or the number of
    bits of one (one more than the floor of its logarithm), which has no divisor. Equal ones are the same object.
    """

    __slots__ = ("divisor", "name", "number", "of")

    def __init__(self, number: int, name: str, of: Poly | None, divisor: Poly | None) -> None:
        self.number = number
        self.name = name
        self.of = of
        self.divisor = divisor

    def degree(self, name: str) -> int:
        """How it grows with a size."""
        if self.of is None:
            return int(self.name == name)
        return max(0, self.of.degree(name) - self.divisor.degree(name)) if self.divisor is not None else 0

    def bound(self, sizes: Mapping[str, int]) -> int:
        """What it does not exceed at sizes up to these."""
        return sizes[self.name] if self.of is None else self.of.bound(sizes)

    def __repr__(self) -> str:
        return self.name


_atoms: dict[Any, Atom] = {}


def _atom(name: str, of: Poly | None = None, divisor: Poly | None = None) -> Atom:
    key = name if of is None else (of, divisor)
    found = _atoms.get(key)
    if found is None:
        found = _atoms[key] = Atom(len(_atoms), name, of, divisor)
    return found


class Poly:
    """An integer polynomial in sizes and floors of quotients of them. Equal ones compare equal."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: dict[Monomial, int]) -> None:
        self.terms = terms
        self._hash: int | None = None

    @staticmethod
    def number(value: int) -> Poly:
        """A constant."""
        return Poly({(): value} if value else {})

    @staticmethod
    def named(name: str) -> Poly:
        """The size of that name."""
        return Poly({((_atom(name), 1),): 1})

    @property
    def constant(self) -> int | None:
        """The number, where it is one."""
        if not self.terms:
            return 0
        return self.terms.get(()) if len(self.terms) == 1 else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Poly) and self.terms == other.terms

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self.terms.items()))
        return self._hash

    def __add__(self, other: Poly) -> Poly:
        terms = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            total = terms.get(monomial, 0) + coefficient
            if total:
                terms[monomial] = total
            else:
                del terms[monomial]
        return Poly(terms)

    def __neg__(self) -> Poly:
        return self.scaled(-1)

    def __sub__(self, other: Poly) -> Poly:
        return self + -other

    def scaled(self, by: int) -> Poly:
        """Times a number."""
        return Poly({monomial: by * coefficient for monomial, coefficient in self.terms.items()} if by else {})

    def __mul__(self, other: Poly) -> Poly:
        terms: dict[Monomial, int] = {}
        for a, x in self.terms.items():
            for b, y in other.terms.items():
                both = _times(a, b)
                total = terms.get(both, 0) + x * y
                if total:
                    terms[both] = total
                else:
                    del terms[both]
        return Poly(terms)

    def __floordiv__(self, other: Poly) -> Poly:
        number = other.constant
        if number:
            return _floor(self, number)
        quotient, rest = _divided(self, other)
        return quotient + Poly({((_quotient(rest, other), 1),): 1}) if rest.terms else quotient

    def __mod__(self, other: Poly) -> Poly:
        return self - other * (self // other)

    def bits(self) -> Poly:
        """The number of bits that it takes to write it."""
        return Poly({((_atom(f"bit_length({self})", self), 1),): 1})

    def at(self, sizes: Mapping[str, Any], seen: dict[Atom, Any] | None = None) -> Any:
        """The value at sizes: integers, or arrays of them."""
        return self.mapped(sizes.__getitem__, floordiv, bit_length, {} if seen is None else seen)

    def mapped(
        self,
        name: Callable[[str], Any],
        floor: Callable[[Any, Any], Any],
        bits: Callable[[Any], Any],
        seen: dict[Atom, Any],
    ) -> Any:
        """The same in another algebra: what a name, a floor of a quotient, and a number of bits are there.

        seen: what atoms are there, kept from one polynomial to the next.
        """
        total: Any = 0
        for monomial, coefficient in self.terms.items():
            term: Any = coefficient
            for atom, power in monomial:
                if atom not in seen:
                    if atom.of is None:
                        seen[atom] = name(atom.name)
                    elif atom.divisor is None:
                        seen[atom] = bits(atom.of.mapped(name, floor, bits, seen))
                    else:
                        divisor = atom.divisor.mapped(name, floor, bits, seen)
                        seen[atom] = floor(atom.of.mapped(name, floor, bits, seen), divisor)
                term = term * seen[atom] ** power
            total = total + term
        return total

    def names(self) -> set[str]:
        """The names of the sizes it depends on."""
        found: set[str] = set()
        for monomial in self.terms:
            for atom, _ in monomial:
                parts = [part for part in (atom.of, atom.divisor) if part is not None]
                found |= {name for part in parts for name in part.names()} if parts else {atom.name}
        return found

    def degree(self, name: str) -> int:
        """The highest power of a size, a floor of a quotient counted as what it is the floor of."""
        return max((sum(power * atom.degree(name) for atom, power in monomial) for monomial in self.terms), default=0)

    def bound(self, sizes: Mapping[str, int]) -> int:
        """What none of its terms, nor a sum of some of them, exceeds at sizes up to these."""
        return sum(
            abs(coefficient) * product(atom.bound(sizes) ** power for atom, power in monomial)
            for monomial, coefficient in self.terms.items()
        )

    def __str__(self) -> str:
        """As Python writes it, `//` for a floor."""
        if not self.terms:
            return "0"
        terms = []
        for monomial, coefficient in self.terms.items():
            factors = [f"{atom}**{power}" if power > 1 else str(atom) for atom, power in monomial]
            number = [str(coefficient)] if coefficient != 1 or not factors else []
            terms.append("*".join(number + factors))
        return " + ".join(terms).replace("+ -", "- ")


def bit_length(value: Any) -> Any:
    """The number of bits of an integer, or of each in an array."""
    if isinstance(value, int):
        return value.bit_length()
    import numpy as np

    return np.vectorize(lambda each: int(each).bit_length(), otypes=[value.dtype])(value)


@cache
def _times(a: Monomial, b: Monomial) -> Monomial:
    powers: dict[Atom, int] = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: item[0].number))


def _quotient(of: Poly, divisor: Poly) -> Atom:
    return _atom(f"(({of})//({divisor}))", of, divisor)


def _floor(of: Poly, by: int) -> Poly:
    """The floor of a polynomial over a number, in one form for all that are equal for easily seen reasons."""
    if by < 0:
        return _floor(-of, -by)
    if next((n for monomial, n in of.terms.items() if monomial), 0) < 0:  # floor(-x / by) is -floor((x + by - 1) / by)
        return -_floor(Poly.number(by - 1) - of, by)
    whole = Poly({monomial: n // by for monomial, n in of.terms.items() if n // by})
    rest = Poly({monomial: n % by for monomial, n in of.terms.items() if n % by})
    if rest.constant is not None:
        return whole
    constant = rest.terms.get((), 0)
    moving = {monomial: n for monomial, n in rest.terms.items() if monomial}
    common = gcd(by, *moving.values())
    if common > 1:
        reduced = {monomial: n // common for monomial, n in moving.items()}
        return whole + _floor(Poly(reduced) + Poly.number(constant // common), by // common)
    (monomial, n), *others = moving.items()
    if not others and n == 1 and len(monomial) == 1 and monomial[0][1] == 1:
        inner = monomial[0][0]
        if inner.of is not None and inner.divisor is not None and (m := inner.divisor.constant):
            return whole + _floor(inner.of + Poly.number(constant * m), m * by)
    return whole + Poly({((_quotient(rest, Poly.number(by)), 1),): 1})


def _divided(of: Poly, by: Poly) -> tuple[Poly, Poly]:
    """Quotient and rest of a division by a polynomial with names in it."""
    lead, factor = max(by.terms.items(), key=lambda item: _order(item[0]))
    quotient, rest, left = Poly({}), Poly({}), of
    while left.terms:
        monomial, n = max(left.terms.items(), key=lambda item: _order(item[0]))
        over = _over(monomial, lead)
        if over is None or n % factor:
            rest += Poly({monomial: n})
            left -= Poly({monomial: n})
            continue
        step = Poly({over: n // factor})
        quotient += step
        left -= step * by
    return quotient, rest


def _order(monomial: Monomial) -> tuple[int, tuple[tuple[int, int], ...]]:
    return sum(power for _, power in monomial), tuple((-atom.number, power) for atom, power in monomial)


def _over(monomial: Monomial, by: Monomial) -> Monomial | None:
    powers = dict(monomial)
    for atom, power in by:
        if powers.get(atom, 0) < power:
            return None
        powers[atom] -= power
    return tuple((atom, power) for atom, power in monomial if powers[atom] for power in (powers[atom],))
