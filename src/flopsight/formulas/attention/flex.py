"""Operators that take functions.   B batch · H heads · Sq queries · Sk keys · D width of query and key · Dv of value

Control flow (`cond`, `scan`, `while_loop`, `map`), checkpoints and subgraphs have no formula: the operators that run
inside are counted. A Triton kernel is counted by a formula that its user gives for it.
"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec, product
from flopsight.formulas.attention.dense import attention, on_scores
from flopsight.formulas.registry import Case, formula


@formula(
    "higher_order::flex_attention",
    case=Case(
        {"query": (2, 3, 4, 8), "key": (2, 3, 5, 8), "value": (2, 3, 5, 6), "scale": 0.5},
        ((2, 3, 4, 6), (2, 3, 4), (2, 3, 4)),
        Cost(
            macs=120 * (8 + 6),
            results=120 + 24 * 6,
            multiply=120,
            compare=120 - 24,
            add=2 * 120 - 24,
            special=120,
            divide=120,
        ),
    ),
)
def flex_attention(
    query: TensorSpec, key: TensorSpec, value: TensorSpec, scale: float | None, shown: int | None = None
) -> Cost:
    """B*H*Sq*Sk scores of length D, scaled, softmaxed; B*H*Sq*Dv results of length Sk.

    Left out: what the caller's score and mask functions compute. `shown`: scores in the blocks that a block mask keeps,
    all heads together, where that is known.
    """
    rows, keys = product(query.shape[:-1]), key.shape[-2]
    masked = 0 if shown is None else rows * keys - shown
    return attention(rows, keys, (query.shape[-1], value.shape[-1]), each=on_scores(None, scale), masked=masked)
