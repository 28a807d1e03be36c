"""A closed form as text: a formula for each module, repeated blocks as one, and what it holds under."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flopsight import units
from flopsight.closed_form.form import Form
from flopsight.sizes import given, poly_of
from flopsight.sizes.expression import expression
from flopsight.views import summary
from flopsight.views.drawing import lines
from flopsight.views.table import fitting_depth
from flopsight.views.tree import Branch, roots

_TERMS, _CHARACTERS = 12, 200
"""Longer formulas are for programs to read."""


def render(form: Form) -> str:
    """A row for each module that computes, as deep as fits; totals; assumptions."""
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for name in ("module", "class", "parameters", "MACs"):
        table.add_column(name, justify="right" if name == "parameters" else "left", no_wrap=True)
    top = roots(form)
    depth = fitting_depth(top)
    for row in (row for branch in top for row in _rows(branch, 0, depth)):
        table.add_row(*(Text(units.printable(cell)) for cell in row))
    return "\n".join([*lines(Text(summary.title(form), style="bold"), table), "", *_below(form)]) + "\n"


def _rows(branch: Branch, depth: int, deepest: int) -> Iterator[list[str]]:
    bound = ">= " if branch.tally.unknown else ""
    macs = _short(branch.tally.macs)
    yield ["  " * depth + branch.label, branch.node.kind, units.exact(int(branch.params)), bound + macs]
    if depth < deepest:
        for child in branch.children:
            yield from _rows(child, depth + 1, deepest)


def _short(value: int) -> str:
    """A formula, or how long it is."""
    poly = poly_of(value)
    text = str(expression(value)) if len(poly.terms) <= _TERMS else ""
    if text and len(text) <= _CHARACTERS:
        return text
    return f"a sum of {len(poly.terms)} terms in {', '.join(sorted(poly.names()))}"


def _below(form: Form) -> Iterator[str]:
    low = ">= " if form.unknown else ""
    numbers = form.numbers()
    for name, value in (("MACs", numbers.macs), ("FLOPs", numbers.flops), ("exact", numbers.cost.exact)):
        yield f"{name:12}{low}{_short(value)}"
    yield f"parameters  {units.exact(int(form.params))}"
    if form.unknown:
        yield f"Unknown is not zero: without the cost of {', '.join(map(units.printable, form.unknown))}."
    yield ""
    tried = ", ".join(f"({given(sizes)})" for sizes in form.tried)
    yield f"Runs that counted the same as the formulas, in every module: {tried}."
    binding = [each for each in form.assumptions if each.effect in ("count", "unknown")]
    if binding:
        yield "Assumed:"
        yield from (f"  {units.printable(str(each))}" for each in binding)
    if idle := len(form.assumptions) - len(binding):
        yield f"{'1 question' if idle == 1 else f'{idle} questions'} asked of sizes made no difference to the count."
    yield from summary.notes(form)
