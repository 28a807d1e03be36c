from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
from oracle import maximum, minimum
from proof import Call, Proof, proven, shapes, tensor, unproven

JOINS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda a, b: a + b,
    "avg": lambda a, b: a + b,
    "product": lambda a, b: a * b,
    "max": maximum,
    "min": minimum,
}


def joined(x: Any, how: str, ranks: int) -> Any:
    """One result from the contributions of all ranks."""
    result = x
    for _ in range(ranks - 1):
        result = JOINS[how](result, x)
    return result / ranks if how == "avg" else result


def all_reduce(input, reduce_op):
    """Between two ranks each would do half of this; the count is that of a rank among very many."""
    for x in input.ravel():
        joined(x, reduce_op, 2)


def all_reduce_coalesced(inputs, reduce_op):
    for tensor_ in inputs:
        all_reduce(tensor_, reduce_op)


def reduce_scatter(input, reduce_op, group_size):
    for x in input.ravel()[: input.size // group_size]:
        joined(x, reduce_op, group_size)


def reduce_scatter_coalesced(inputs, reduce_op, group_size):
    for tensor_ in inputs:
        reduce_scatter(tensor_, reduce_op, group_size)


def sums(tensors):
    all_reduce_coalesced(tensors, "sum")


def scattered_sum(output_tensor, input_tensor):
    reduce_scatter(input_tensor, "sum", input_tensor.size // max(output_tensor.size, 1))


def scattered_sums(outputs, inputs):
    for mine, whole in zip(outputs, inputs, strict=True):
        scattered_sum(mine, whole)


def scattered_lists(output_tensors, input_tensors):
    for parts in input_tensors:
        for place in np.ndindex(*parts[0].shape):
            result = parts[0][place]
            for part in parts[1:]:
                result = result + part[place]


HOW = st.sampled_from(list(JOINS))
MANY = st.lists(shapes(), min_size=1, max_size=3).map(lambda each: [tensor(*shape) for shape in each])
GROUPS = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))


def call(given_: dict[str, Any]) -> Call:
    return Call(given_, out=())


ONE = st.tuples(shapes(), HOW).map(lambda it: call({"input": tensor(*it[0]), "reduce_op": it[1]}))
SEVERAL = st.tuples(MANY, HOW).map(lambda it: call({"inputs": it[0], "reduce_op": it[1]}))
SCATTERED = st.tuples(GROUPS, HOW).map(
    lambda it: call({"input": tensor(it[0][2] * it[0][0], it[0][1]), "reduce_op": it[1], "group_size": it[0][2]})
)
SCATTERED_SEVERAL = st.tuples(GROUPS, HOW).map(
    lambda it: call(
        {"inputs": [tensor(it[0][2] * k, it[0][1]) for k in (1, 2)], "reduce_op": it[1], "group_size": it[0][2]}
    )
)
TENSORS = MANY.map(lambda tensors: call({"tensors": tensors}))
BASE = GROUPS.map(
    lambda it: call({"output_tensor": tensor(it[0], it[1]), "input_tensor": tensor(it[2] * it[0], it[1])})
)
COALESCED = GROUPS.map(
    lambda it: call(
        {"outputs": [tensor(it[0]), tensor(it[1])], "inputs": [tensor(it[2] * it[0]), tensor(it[2] * it[1])]}
    )
)
LISTS = GROUPS.map(
    lambda it: call(
        {"output_tensors": [tensor(it[0], it[1])], "input_tensors": [[tensor(it[0], it[1]) for _ in range(it[2])]]}
    )
)

PROOFS = {
    "_c10d_functional::all_reduce": Proof(all_reduce, ONE),
    "symm_mem::multimem_all_reduce_": Proof(all_reduce, ONE),
    "symm_mem::two_shot_all_reduce_": Proof(all_reduce, ONE),
    "symm_mem::two_shot_all_reduce_out": Proof(all_reduce, ONE),
    "symm_mem::one_shot_all_reduce": Proof(all_reduce, ONE),
    "symm_mem::one_shot_all_reduce_out": Proof(all_reduce, ONE),
    "symm_mem::multimem_one_shot_all_reduce": Proof(all_reduce, ONE),
    "symm_mem::multimem_one_shot_all_reduce_out": Proof(all_reduce, ONE),
    "symm_mem::multimem_one_shot_reduce_out": Proof(all_reduce, ONE),
    "_c10d_functional::all_reduce_coalesced": Proof(all_reduce_coalesced, SEVERAL),
    "_c10d_functional::reduce_scatter_tensor": Proof(reduce_scatter, SCATTERED),
    "_c10d_functional::reduce_scatter_tensor_out": Proof(reduce_scatter, SCATTERED),
    "_c10d_functional_autograd::reduce_scatter_tensor": Proof(reduce_scatter, SCATTERED),
    "_c10d_functional::reduce_scatter_tensor_coalesced": Proof(reduce_scatter_coalesced, SCATTERED_SEVERAL),
    "c10d::allreduce_": Proof(sums, TENSORS),
    "c10d::allreduce_coalesced_": Proof(sums, TENSORS),
    "c10d::reduce_": Proof(sums, TENSORS),
    "c10d::_reduce_scatter_base_": Proof(scattered_sum, BASE),
    "c10d::reduce_scatter_tensor_coalesced_": Proof(scattered_sums, COALESCED),
    "c10d::reduce_scatter_": Proof(scattered_lists, LISTS),
}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "distributed") == set()
