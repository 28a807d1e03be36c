"""The tables of `docs/conventions.md`: `python -m conventions.table`, run in `tests`, writes them anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import torch
from peers.reasons import REASONS
from torch import nn

import flopsight
from flopsight import Convention, Profile, conventions

PAGE = Path(__file__).parents[2] / "docs" / "conventions.md"

IMAGE = (2, 4, 8, 8)
ELEMENTS = 2 * 4 * 8 * 8
VOCABULARY, WIDTH = 10, 4

Count = Callable[[str], str]


def measure(layer: nn.Module, *inputs: torch.Tensor) -> Profile:
    return flopsight.profile(layer.eval(), inputs)


def each(layer: nn.Module, elements: int, *, shape: tuple[int, ...] = IMAGE) -> Count:
    """What a convention counts for each of so many elements."""
    profile = measure(layer, torch.zeros(shape))
    return lambda name: plain(Fraction(profile.total(name), elements))


def growing(make: Callable[[int], Profile], results: int, letter: str) -> Count:
    """What it counts for a result, as a polynomial of degree one in a length."""
    shorter, longer = make(8), make(16)

    def count(name: str) -> str:
        slope = Fraction(longer.total(name) - shorter.total(name), 8 * results)
        rest = Fraction(shorter.total(name), results) - 8 * slope
        if not slope:
            return plain(rest)
        sign = f" {'+' if rest > 0 else '-'} {plain(abs(rest))}" if rest else ""
        return f"{'' if slope == 1 else plain(slope)}{letter}{sign}"

    return count


def bias(layer: Callable[[bool], nn.Module], results: int, *shape: int) -> Count:
    """What a bias adds to a result."""
    with_bias, without = (measure(layer(used), torch.zeros(shape)) for used in (True, False))
    return lambda name: plain(Fraction(with_bias.total(name) - without.total(name), results))


def attention(length: int, width: int = 4) -> Profile:
    query = torch.zeros(1, 2, length, width)
    return flopsight.profile(lambda q: nn.functional.scaled_dot_product_attention(q, q, q), (query,))


def softmax_of_attention(name: str) -> str:
    """For each element of the score matrices: twice the length has four times the elements and twice the rows."""
    profile, twice = attention(64), attention(128)
    rest = [
        sum(row[0] for part, row in p.explain(name).rows.items() if part != "contractions") for p in (profile, twice)
    ]
    return plain(Fraction(rest[1] - 2 * rest[0], 2 * 128**2 - 2 * 2 * 64**2))


def plain(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else f"{float(number):.2f}"


def columns() -> dict[str, Count]:
    return {
        "result of length K": growing(lambda k: measure(nn.Linear(k, 3, bias=False), torch.zeros(2, k)), 2 * 3, "K"),
        "bias of a convolution": bias(lambda used: nn.Conv2d(4, 3, 1, bias=used), 2 * 3 * 8 * 8, *IMAGE),
        "bias of a linear layer": bias(lambda used: nn.Linear(4, 3, bias=used), 2 * 3, 2, 4),
        "batch norm": each(nn.BatchNorm2d(4), ELEMENTS),
        "layer norm": each(nn.LayerNorm(8), ELEMENTS),
        "group norm": each(nn.GroupNorm(2, 4), ELEMENTS),
        "ReLU": each(nn.ReLU(), ELEMENTS),
        "GELU": each(nn.GELU(), ELEMENTS),
        "softmax of f": growing(lambda f: measure(nn.Softmax(-1), torch.zeros(6, f)), 6, "f"),
        "score of attention": softmax_of_attention,
        "max pool 2x2": each(nn.MaxPool2d((2, 2)), ELEMENTS // 4),
        "average pool 2x2": each(nn.AvgPool2d((2, 2)), ELEMENTS // 4),
        "global average pool of n": growing(
            lambda n: measure(nn.AdaptiveAvgPool2d(1), torch.zeros(2, 3, n, 1)), 2 * 3, "n"
        ),
        "bilinear upsampling": each(nn.Upsample(scale_factor=2, mode="bilinear"), 4 * ELEMENTS),
        "look-up in 10 x 4": lambda name: plain(Fraction(embedding().total(name))),
        "addition": lambda name: plain(Fraction(addition().total(name), ELEMENTS)),
    }


def embedding() -> Profile:
    return measure(nn.Embedding(VOCABULARY, WIDTH), torch.zeros(1, 1, dtype=torch.long))


def addition() -> Profile:
    return flopsight.profile(lambda x: x + x, (torch.zeros(IMAGE),))


def element_table() -> str:
    """A row a convention, a column an operator; conventions of bytes are left out."""
    measured = columns()
    shown = [convention for convention in known() if convention.unit != "bytes"]
    rows = [[f"`{item.name}`", *(count(item.name) for count in measured.values())] for item in shown]
    return markdown(["convention", *measured], rows)


def convention_list() -> str:
    """A row a convention: name, unit, what it counts."""
    rows = [[f"`{item.name}`", item.unit, item.summary] for item in known()]
    return markdown(["convention", "unit", "counts"], rows)


def reason_table() -> str:
    """Where a tool is wrong, by figure and reason, with the models of each."""
    models: dict[tuple[str, str], list[str]] = {}
    for (figure, model), reason in REASONS.items():
        models.setdefault((figure, reason.why), []).append(model)
    rows = [[f"`{figure}`", why, "; ".join(names)] for (figure, why), names in sorted(models.items())]
    return markdown(["figure", "why", "models and layers"], rows)


def known() -> list[Convention]:
    return [conventions.get(name) for name in conventions.names()]


def markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


TABLES = {"list": convention_list, "table": element_table, "reasons": reason_table}
"""What stands between `<!-- NAME -->` and `<!-- end of NAME -->`."""


def written(page: str) -> str:
    """The page with its tables as they should be."""
    for name, make in TABLES.items():
        marked = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)", re.DOTALL)
        page = marked.sub(make(), page)
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
