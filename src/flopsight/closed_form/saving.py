"""Closed forms as JSON: what `flopsight.saving` writes of the profile, with formulas for its numbers.

closed form   1                                   sizes   {name: its number in the run that was followed}
profile       as in `flopsight.saving`, where `{"=": "seq*(seq + 1)//2"}` stands for an integer
counts        [[operation, scope, phase, times]]  tried   [{name: number}]
assumptions   [[left, sign, right, place, effect]]
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from flopsight import saving
from flopsight.closed_form.assumption import EFFECTS, Assumption
from flopsight.closed_form.form import Form
from flopsight.errors import ProfileFormatError
from flopsight.sizes import Guard, Poly, Size

FORMAT = 1
KEY = "closed form"


def to_dict(form: Form) -> dict[str, Any]:
    """The closed form as plain values, in the schema of this module's docstring."""
    return {
        KEY: FORMAT,
        "sizes": form.sizes,
        "profile": _written(saving.to_dict(form)),
        "counts": [[*key, _written(n)] for key, n in form.counts.items()],
        "tried": form.tried,
        "assumptions": [
            [str(a.guard.left), a.guard.sign, str(a.guard.right), a.guard.place, a.effect] for a in form.assumptions
        ],
    }


def _written(value: Any) -> Any:
    if isinstance(value, Size):
        return {"=": str(value.poly)}
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    return [_written(item) for item in value] if isinstance(value, (list, tuple)) else value


def fields(data: dict[str, Any]) -> dict[str, Any]:
    """The fields of the `ClosedForm` that `to_dict` wrote. Raises: ProfileFormatError."""
    if data.get(KEY) != FORMAT:
        raise ProfileFormatError(
            f"This closed form has format {data.get(KEY)!r:.20}; this flopsight reads {FORMAT}. Upgrade it with: "
            "pip install --upgrade flopsight"
        )
    try:
        sizes = {str(name): int(size) for name, size in data["sizes"].items()}
        reader = _Reader(sizes)
        return {
            **saving.fields(reader.read(data["profile"])),
            "sizes": sizes,
            "counts": {(int(a), int(b), int(c)): reader.read(n) for a, b, c, n in data["counts"]},
            "tried": [{str(name): int(size) for name, size in each.items()} for each in data["tried"]],
            "assumptions": [
                Assumption(Guard(reader.poly(left), sign, reader.poly(right), str(place)), _effect(effect))
                for left, sign, right, place, effect in data["assumptions"]
            ],
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, SyntaxError) as error:
        raise ProfileFormatError(f"This saved closed form is damaged: {error}.") from error


def _effect(name: Any) -> str:
    if name not in EFFECTS:
        raise ValueError(f"{name!r:.20} is no effect of an assumption")
    return str(name)


class _Reader:
    """Reads formulas: names of sizes, integers, and sums, differences, products, powers, floors and bits of them."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._sizes = sizes
        self._read: dict[str, Poly] = {}

    def read(self, value: Any) -> Any:
        """The same value with a `Size` for each formula."""
        if isinstance(value, dict):
            if set(value) == {"="}:
                poly = self.poly(value["="])
                return Size(poly.at(self._sizes), poly)
            return {key: self.read(item) for key, item in value.items()}
        return [self.read(item) for item in value] if isinstance(value, list) else value

    def poly(self, text: str) -> Poly:
        """The polynomial that is written so. Raises: ValueError."""
        if text not in self._read:
            self._read[text] = self._made(ast.parse(text, mode="eval").body)
        return self._read[text]

    def _made(self, node: ast.expr) -> Poly:
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return Poly.number(node.value)
        if isinstance(node, ast.Name) and node.id in self._sizes:
            return Poly.named(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self._made(node.operand)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "bit_length" and len(node.args) == 1:
            return self._made(node.args[0]).bits()
        if isinstance(node, ast.BinOp):
            left, right = self._made(node.left), self._made(node.right)
            if isinstance(node.op, ast.Add):
                return left + right
            if isinstance(node.op, ast.Sub):
                return left - right
            if isinstance(node.op, ast.Mult):
                return left * right
            if isinstance(node.op, ast.FloorDiv) and right.terms:
                return left // right
            if isinstance(node.op, ast.Pow) and 0 < (power := right.constant or 0) < _POWERS:
                made = left
                for _ in range(power - 1):
                    made = made * left
                return made
        raise ValueError(f"{ast.unparse(node):.60} is no formula")


_POWERS = 16
