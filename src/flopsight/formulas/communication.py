"""Collectives: what one rank computes.   n elements of its tensors · P ranks

Sending and receiving is no arithmetic. Joining P contributions to one result takes P - 1 steps, wherever it is done;
counted is the share of one rank.
"""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import ZERO, Cost, TensorSpec
from flopsight.formulas.registry import Case, formula, zero


def _declare(namespace: str, names: str) -> None:
    operators = [f"{namespace}::{name}" for name in names.split()]
    zero("sends, receives or waits for elements", *operators, family="communication")


_declare(
    "_c10d_functional",
    """
    all_gather_into_tensor all_gather_into_tensor_coalesced all_gather_into_tensor_out all_to_all_single batch_p2p_ops
    broadcast irecv isend wait_tensor _wrap_tensor_autograd
    """,
)
_declare("_c10d_functional_autograd", "all_gather_into_tensor all_to_all_single")
_declare("_dtensor", "shard_dim_alltoall")
_declare(
    "c10d",
    """
    _allgather_base_ allgather_ allgather_coalesced_ allgather_into_tensor_coalesced_ alltoall_ alltoall_base_ barrier
    broadcast_ check_for_nan gather_ monitored_barrier_ recv_ recv_any_source_ scatter_ send
    """,
)
_declare(
    "symm_mem",
    """
    _barrier _rendezvous all_to_all_vdev all_to_all_vdev_2d all_to_all_vdev_2d_offset memset32_ multimem_all_gather_out
    nccl_get nccl_put nccl_put_signal nccl_put_with_signal nccl_wait_for_signal nccl_wait_signal nvshmem_all_to_all
    nvshmem_broadcast nvshmem_get nvshmem_put nvshmem_put_with_signal nvshmem_wait_for_signal stream_write_value32_
    """,
)


def _joined(reduce_op: str, steps: int, results: int) -> Cost:
    how = reduce_op.lower()
    if how in ("max", "min", "band", "bor", "bxor"):
        return Cost(compare=steps)
    if how == "product":
        return Cost(multiply=steps)
    return Cost(add=steps, divide=results if how == "avg" else 0)


@formula(
    "_c10d_functional::all_reduce", "symm_mem::multimem_all_reduce_", "symm_mem::two_shot_all_reduce_",
    "symm_mem::two_shot_all_reduce_out", "symm_mem::one_shot_all_reduce", "symm_mem::one_shot_all_reduce_out",
    "symm_mem::multimem_one_shot_all_reduce", "symm_mem::multimem_one_shot_all_reduce_out",
    "symm_mem::multimem_one_shot_reduce_out",
    case=Case({"input": (3, 4), "reduce_op": "sum"}, (3, 4), Cost(add=12)),
)  # fmt: skip
def all_reduce(input: TensorSpec, reduce_op: str) -> Cost:
    """x1 + ... + xP: n additions, products or comparisons a rank; avg divides each.

    P is no argument of the operator. Dividing the work, each rank does n * (P - 1) / P steps; n is counted.
    """
    return _joined(reduce_op, input.numel, input.numel)


@formula(
    "_c10d_functional::all_reduce_coalesced",
    case=Case({"inputs": ((3, 4), (2,)), "reduce_op": "avg"}, ((3, 4), (2,)), Cost(add=14, divide=14)),
)
def all_reduce_coalesced(inputs: Sequence[TensorSpec], reduce_op: str) -> Cost:
    """x1 + ... + xP of each tensor: n additions, products or comparisons a rank; avg divides each."""
    n = sum(tensor.numel for tensor in inputs)
    return _joined(reduce_op, n, n)


@formula(
    "_c10d_functional::reduce_scatter_tensor", "_c10d_functional::reduce_scatter_tensor_out",
    "_c10d_functional_autograd::reduce_scatter_tensor",
    case=Case({"input": (8, 4), "reduce_op": "sum", "group_size": 4}, (2, 4), Cost(add=8 * 3)),
)  # fmt: skip
def reduce_scatter(input: TensorSpec, reduce_op: str, group_size: int) -> Cost:
    """x1 + ... + xP of this rank's n / P elements: P - 1 additions, products or comparisons each; avg divides each."""
    mine = input.numel // group_size
    return _joined(reduce_op, mine * (group_size - 1), mine)


@formula(
    "_c10d_functional::reduce_scatter_tensor_coalesced",
    case=Case({"inputs": ((8, 4), (4,)), "reduce_op": "max", "group_size": 4}, ((2, 4), (1,)), Cost(compare=9 * 3)),
)
def reduce_scatter_coalesced(inputs: Sequence[TensorSpec], reduce_op: str, group_size: int) -> Cost:
    """x1 + ... + xP of this rank's share of each tensor: P - 1 additions, products or comparisons an element."""
    return sum((reduce_scatter(tensor, reduce_op, group_size) for tensor in inputs), ZERO)


@formula(
    "c10d::allreduce_", "c10d::allreduce_coalesced_", "c10d::reduce_",
    case=Case({"tensors": ((3, 4), (2,))}, ((3, 4), (2,)), Cost(add=14)),
)  # fmt: skip
def c10d_all_reduce(tensors: Sequence[TensorSpec]) -> Cost:
    """x1 + ... + xP of each tensor: n additions a rank, taken to be a sum; each rank's share is n * (P - 1) / P."""
    return Cost(add=sum(tensor.numel for tensor in tensors))


@formula(
    "c10d::_reduce_scatter_base_",
    case=Case({"output_tensor": (2, 4), "input_tensor": (8, 4)}, ((2, 4), None), Cost(add=8 * 3)),
)
def c10d_reduce_scatter(output_tensor: TensorSpec, input_tensor: TensorSpec) -> Cost:
    """x1 + ... + xP of this rank's n / P elements, taken to be a sum: P - 1 additions each."""
    return Cost(add=input_tensor.numel - output_tensor.numel)


@formula(
    "c10d::reduce_scatter_",
    case=Case({"output_tensors": ((2,),), "input_tensors": (((2,), (2,), (2,)),)}, (((2,),), None), Cost(add=2 * 2)),
)
def c10d_reduce_scatter_lists(
    output_tensors: Sequence[TensorSpec], input_tensors: Sequence[Sequence[TensorSpec]]
) -> Cost:
    """x1 + ... + xP of this rank's tensor, taken to be a sum: P - 1 additions an element."""
    given = sum(tensor.numel for tensors in input_tensors for tensor in tensors)
    return Cost(add=given - sum(tensor.numel for tensor in output_tensors))


@formula(
    "c10d::reduce_scatter_tensor_coalesced_",
    case=Case({"outputs": ((2,), (1,)), "inputs": ((6,), (3,))}, None, Cost(add=6)),
)
def c10d_reduce_scatter_coalesced(outputs: Sequence[TensorSpec], inputs: Sequence[TensorSpec]) -> Cost:
    """x1 + ... + xP of this rank's share of each tensor, taken to be a sum: P - 1 additions an element."""
    return Cost(add=sum(tensor.numel for tensor in inputs) - sum(tensor.numel for tensor in outputs))
