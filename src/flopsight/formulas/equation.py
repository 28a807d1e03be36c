"""Equations as formulas: what one element costs, read off the text of its equation.

`1 / (1 + exp(-x))` is a negation and an addition (add 2), an exponential (special 1) and a division (divide 1).

Every operation written counts once; what `s = ...;` names is computed once; a tuple is several results. Both sides of
a selection `a if condition else b` count, as does its comparison; a condition that is given needs one comparison to
select by. Operands may be complex numbers: real operations on their parts count then, as `functions` writes out.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from flopsight.cost import ZERO, Cost, TensorSpec
from flopsight.errors import FormulaError
from flopsight.formulas.functions import COMPLEX, DEFINED, PARTS, REAL, REAL_RESULT
from flopsight.formulas.registry import REGISTRY, Formula, Rule


class _Reader:
    """Walks an expression; each method returns whether the value is complex, and counts the work into `kinds`."""

    def __init__(self, complex_names: frozenset[str]) -> None:
        self.names = dict.fromkeys(complex_names, True)
        self.kinds: dict[str, int] = {}

    def count(self, **kinds: int) -> None:
        for kind, number in kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + number

    def run(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                self.names[statement.targets[0].id] = self.value(statement.value)
            elif isinstance(statement, ast.Expr):
                self.value(statement.value)
            else:
                raise FormulaError(
                    f"An equation has expressions and 'name = expression', not {ast.unparse(statement)!r}."
                )

    def value(self, node: ast.expr) -> bool:
        method = getattr(self, type(node).__name__.lower(), None)
        if method is None:
            raise FormulaError(f"An equation cannot have {ast.unparse(node)!r}.")
        return bool(method(node))

    def constant(self, node: ast.Constant) -> bool:
        return isinstance(node.value, complex)

    def name(self, node: ast.Name) -> bool:
        return self.names.get(node.id, False)

    def tuple(self, node: ast.Tuple) -> bool:
        parts = [self.value(part) for part in node.elts]
        return any(parts)

    def unaryop(self, node: ast.UnaryOp) -> bool:
        inner = self.value(node.operand)
        if isinstance(node.op, ast.USub):
            if not isinstance(node.operand, ast.Constant):
                self.count(add=2 if inner else 1)
            return inner
        self.count(compare=1 + self.truth(inner))
        return False

    def truth(self, *complex_values: bool) -> int:
        """Comparisons to see whether complex numbers are not zero: re != 0 or im != 0. A real one is taken as it is."""
        return 3 * sum(complex_values)

    def binop(self, node: ast.BinOp) -> bool:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, (ast.Add, ast.Sub)):
            flipped = right and isinstance(node.op, ast.Sub)  # a real number less a complex one negates a part
            self.count(add=2 if flipped or (left and right) else 1)
        elif isinstance(node.op, ast.Mult):
            self.count(multiply=4 if left and right else 2 if left or right else 1, add=2 if left and right else 0)
        elif isinstance(node.op, ast.Div):
            self.divide(left, right, inverse=isinstance(node.left, ast.Constant))
        elif isinstance(node.op, ast.Mod):
            self.count(divide=1)
        else:
            self.count(compare=1 + self.truth(left, right))
            return False
        return left or right

    def divide(self, left: bool, right: bool, *, inverse: bool) -> None:
        """Division by a complex number multiplies by its conjugate and divides by the square of its size."""
        if not right:
            self.count(divide=2 if left else 1)
        elif left:
            self.count(multiply=6, add=3, divide=2)
        else:
            self.count(multiply=2 if inverse else 4, add=2, divide=2)

    def compare(self, node: ast.Compare) -> bool:
        sides = [self.value(side) for side in (node.left, *node.comparators)]
        self.count(compare=(3 if any(sides) else 1) * len(node.ops))
        return False

    def boolop(self, node: ast.BoolOp) -> bool:
        sides = [self.value(side) for side in node.values]
        self.count(compare=len(sides) - 1 + self.truth(*sides))
        return False

    def ifexp(self, node: ast.IfExp) -> bool:
        self.value(node.test)
        if not isinstance(node.test, ast.Compare):
            self.count(compare=1)
        first, second = self.value(node.body), self.value(node.orelse)
        return first or second

    def call(self, node: ast.Call) -> bool:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        arguments = [self.value(argument) for argument in node.args]
        if name in DEFINED:
            self.count(**work(DEFINED[name], frozenset("x" if arguments[0] else "")).to_dict())
            return arguments[0]
        if not any(arguments):
            if name not in REAL:
                raise FormulaError(f"An equation names the function {name!r}, which is not known.")
            self.count(**REAL[name].to_dict())
            return False
        if name in PARTS:
            self.count(**work(PARTS[name]).to_dict())
        elif name in COMPLEX:
            operands = zip("zw", arguments, strict=False)
            self.count(**work(COMPLEX[name], frozenset(n for n, is_complex in operands if is_complex)).to_dict())
        else:
            raise FormulaError(f"The function {name!r} is not written out for complex numbers.")
        return name not in REAL_RESULT


@cache
def work(equation: str, complex_names: frozenset[str] = frozenset()) -> Cost:
    """The cost of evaluating `equation` once, the given names being complex numbers. Raises: FormulaError."""
    reader = _Reader(complex_names)
    reader.run(ast.parse(equation).body)
    return Cost(**reader.kinds)


def times(factor: Any, text: str) -> str:
    """`text` multiplied by a plain number; a factor of 1 needs no multiplication."""
    return text if factor == 1 else f"c * ({text})"


def _is_complex(operand: Any) -> bool:
    return operand.is_complex if isinstance(operand, TensorSpec) else isinstance(operand, complex)


def each(equation: str, over: Any, **operands: Any) -> Cost:
    """The work of `equation` for each element of `over`, a result; `operands` are the tensors or numbers it names.

    Where the result is a tuple of tensors, as are those operands that are tuples; where it is not given (an operator
    that changes a list of tensors in place), that of the first operand.
    """
    if not over:
        over = next(iter(operands.values()))
    if isinstance(over, TensorSpec):
        return (
            work(equation, frozenset(name for name, operand in operands.items() if _is_complex(operand))) * over.numel
        )
    cost = ZERO
    for index, spec in enumerate(over):
        own = {
            name: operand[index] if isinstance(operand, (tuple, list)) else operand
            for name, operand in operands.items()
        }
        cost += each(equation, spec, **own)
    return cost


_SCHEMA_NAMES = {"x": "self", "y": "other", "g": "grad_output"}


def elementwise(family: str, table: Mapping[str, str], **operands: str) -> None:
    """Declare, for each equation of `table`, that its operators do that work for each element of their result.

    An operator without a namespace is in aten. x stands for the argument `self`, y for `other`, g for `grad_output`;
    `operands` gives other names to arguments.
    """
    schema_names = {**_SCHEMA_NAMES, **operands}
    for equation, operators in table.items():
        rule = _rule(equation, schema_names)
        for name in operators.split():
            operator = name if "::" in name else f"aten::{name}"
            REGISTRY.add(Formula(operator=operator, rule=rule, family=family))


def _rule(equation: str, schema_names: Mapping[str, str]) -> Rule:
    words = set(re.findall(r"[a-z]\w*", equation))
    used = {name: argument for name, argument in schema_names.items() if name in words}

    def rule(*, out: Any = None, **given: Any) -> Cost:
        return each(equation, out, **{name: given.get(argument) for name, argument in used.items()})

    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in (*used.values(), "out")
    ]
    rule.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    rule.__doc__ = equation
    return rule
