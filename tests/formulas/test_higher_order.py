from __future__ import annotations

from functools import reduce
from typing import Any

import hypothesis.strategies as st
import numpy as np
from oracle import exp, maximum, products, total
from proof import Call, Proof, proven, tensor, unproven

from flopsight.cost import TensorSpec
from flopsight.formulas.attention.flex import flex_attention


def attend(query, key, value, scale):
    group = query.shape[1] // key.shape[1]
    for b, h in np.ndindex(*query.shape[:2]):
        keys, values = key[b, h // group], value[b, h // group]
        for q in query[b, h]:
            scores = [products(list(q), list(k)) for k in keys]
            scores = scores if scale == 1 else [s * scale for s in scores]
            top = reduce(maximum, scores)
            powers = [exp(s - top) for s in scores]
            whole = total(powers)
            weights = [p / whole for p in powers]
            for d in range(values.shape[1]):
                products(weights, list(values[:, d]))


@st.composite
def calls(draw: Any) -> Any:
    batch, heads, group, queries, keys = (draw(st.integers(1, 2)) for _ in range(5))
    query = tensor(batch, heads * group, queries, 2)
    shape = (batch, heads, keys)
    given_ = {
        "query": query,
        "key": tensor(*shape, 2),
        "value": tensor(*shape, 3),
        "scale": draw(st.sampled_from([1, 0.5])),
    }
    return Call(given_, out=(tensor(*query.shape[:-1], 3),))


PROOFS = {"higher_order::flex_attention": Proof(attend, calls())}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "higher_order") == set()


def test_blocks_that_a_mask_leaves_out_are_masked_work() -> None:
    q, k = TensorSpec((2, 4, 256, 8)), TensorSpec((2, 4, 384, 8))
    shown = 2 * 4 * (3 * 128 * 128)
    cost = flex_attention(q, k, k, 0.5, shown=shown)
    assert cost.macs == 2 * 4 * 256 * 384 * (8 + 8)
    assert cost.masked_macs == 2 * 4 * (256 * 384 - 3 * 128 * 128) * (8 + 8)
