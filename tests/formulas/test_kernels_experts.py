from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import hypothesis.strategies as st
import torch
from oracle import products
from proof import Call, Proof, proven, tensor, unproven


def matmul(a: Any, b: Any) -> None:
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            products(list(a[i]), list(b[:, j]))


def groups(offs: Any) -> Any:
    return enumerate(slice(start, end) for start, end in pairwise([0, *offs.tolist()]))


def forward(input, weight, offs):
    for g, rows in groups(offs):
        matmul(input[rows], weight[g])


def backward(input, weight, offs, grad_output):
    for g, rows in groups(offs):
        matmul(grad_output[rows], weight[g].T)
        matmul(input[rows].T, grad_output[rows])


@st.composite
def routed(draw: Any, *, back: bool = False) -> Any:
    """Rows for two experts, of which each has one at least."""
    each, k, n = [draw(st.integers(1, 3)) for _ in range(2)], draw(st.integers(1, 3)), draw(st.integers(1, 3))
    rows, weight = tensor(sum(each), k), tensor(2, k, n)
    given_ = {"input": rows, "weight": weight, "offs": torch.tensor(list(accumulate(each)))}
    made = tensor(sum(each), n)
    return Call(given_ | {"grad_output": made}, out=(rows, weight)) if back else Call(given_, out=made)


PROOFS = {
    "transformers::grouped_mm_fallback": Proof(forward, routed()),
    "transformers::grouped_mm_fallback_backward": Proof(backward, routed(back=True)),
}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "kernels_experts") == set()
